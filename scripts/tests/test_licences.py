"""Every library is under a licence that deny.toml allows, and comes from crates.io. cargo-deny reads the texts as well, where it is
installed; this needs nothing but cargo."""

import json
import pathlib
import re
import subprocess
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
REGISTRY = "registry+https://github.com/rust-lang/crates.io-index"


def allowed(expression, licences):
    """Whether an SPDX expression can be met by allowed licences alone. `/` is how crates once wrote OR."""
    words = re.findall(r"[()]|[^\s()]+", expression.replace("/", " OR "))
    said = []
    for word in words:
        if said[-1:] == ["WITH"]:
            said[-2:] = [f"{said[-2]} WITH {word}"]
        else:
            said.append(word)
    spoken = {"(": "(", ")": ")", "AND": "and", "OR": "or"}
    return eval(" ".join(spoken.get(word) or str(word in licences) for word in said))  # made of these words alone


class Licences(unittest.TestCase):
    def test_an_expression_is_met_by_allowed_licences_alone(self):
        licences = {"MIT", "ISC", "Apache-2.0 WITH LLVM-exception"}
        for expression, fits in {
            "MIT": True,
            "GPL-3.0": False,
            "MIT/Apache-2.0": True,
            "Apache-2.0 WITH LLVM-exception OR Apache-2.0": True,
            "Apache-2.0 AND ISC": False,
            "(GPL-3.0 OR MIT) AND ISC": True,
        }.items():
            self.assertEqual(allowed(expression, licences), fits, expression)

    def test_every_library_has_an_allowed_licence_and_comes_from_the_registry(self):
        licences = set(tomllib.loads((ROOT / "deny.toml").read_text())["licenses"]["allow"])
        command = ["cargo", "metadata", "--locked", "--format-version=1", "--filter-platform=x86_64-unknown-linux-gnu"]
        packages = json.loads(subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout)["packages"]
        others = [p for p in packages if p["source"]]
        self.assertGreater(len(others), 100)
        for package in others:
            name = f"{package['name']} {package['version']}"
            self.assertEqual(package["source"], REGISTRY, f"{name} comes from elsewhere")
            self.assertTrue(allowed(package["license"] or "none", licences), f"{name} is under {package['license']}")


if __name__ == "__main__":
    unittest.main()
