"""`scripts/demo` and `scripts/test` build each library once: with the same features, whichever comes first."""

import pathlib
import subprocess
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]


def features(edges, *selected):
    """Library and version: its sets of features, one for the program and perhaps one for build scripts and macros."""
    command = ["cargo", "tree", "--locked", *(selected or ["--workspace"]), "--edges", edges, "--prefix", "none", "--format", "{p}|{f}"]
    lines = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout.splitlines()
    found = {}
    for line in lines:
        library, _, chosen = line.removesuffix(" (*)").partition("|")
        if "(/" not in library:  # ours
            found.setdefault(library.removesuffix(" (proc-macro)"), set()).add(chosen)
    return found


class Features(unittest.TestCase):
    def test_tests_build_no_library_of_the_program_with_other_features(self):
        program = features("normal,build", "--package", "cli")
        demo, tests = features("normal,build"), features("normal,build,dev")
        other = {name: sorted(demo[name] ^ tests[name]) for name in program if demo[name] != tests[name]}
        self.assertEqual(other, {}, "name what tests alone use under [dependencies] of benches/Cargo.toml as well")


if __name__ == "__main__":
    unittest.main()
