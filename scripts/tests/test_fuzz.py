"""The fuzz targets: each has a small corpus, each crate that has some is among those that are run, and no other build has them."""

import pathlib
import re
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
TABLE = re.compile(r"const TARGETS: &\[Target\] =\s*&\[(.*?)\];", re.DOTALL)


def sources():
    return [path for path in sorted((ROOT / "crates").rglob("*.rs")) if TABLE.search(path.read_text())]


def targets(path):
    return re.findall(r'\("([a-z_]+)", ', TABLE.search(path.read_text())[1])


class Fuzz(unittest.TestCase):
    def test_every_target_has_a_corpus_and_every_corpus_a_target(self):
        named = [name for path in sources() for name in targets(path)]
        self.assertEqual(len(named), len(set(named)), "two targets of one name")
        self.assertEqual(sorted(named), sorted(path.name for path in (ROOT / "fuzz/corpus").iterdir()))

    def test_the_corpora_are_small(self):
        files = [path for path in (ROOT / "fuzz/corpus").rglob("*") if path.is_file()]
        self.assertLess(sum(path.stat().st_size for path in files), 500_000)
        self.assertLess(max(path.stat().st_size for path in files), 64_000)

    def test_every_crate_that_has_targets_is_among_those_that_are_run(self):
        listed = (ROOT / "fuzz/src/lib.rs").read_text()
        for path in sources():
            crate = path.relative_to(ROOT / "crates").parts[0]
            if crate in ("cli", "auditor"):
                continue  # Parts of programs, which fuzz/ does not link. scripts/fuzz runs their tests.
            own = f"{crate}::fuzzing::TARGETS" in listed
            taken = str(path.relative_to(ROOT)) in listed
            self.assertTrue(own or taken, path)

    def test_no_build_but_that_of_fuzz_has_the_feature(self):
        for path in [ROOT / "Cargo.toml", *sorted((ROOT / "crates").glob("*/Cargo.toml")), ROOT / "benches/Cargo.toml"]:
            text = path.read_text()
            features = tomllib.loads(text).get("features", {})
            self.assertNotIn("fuzzing", features.get("default", []), path)
            self.assertNotIn('features = ["fuzzing"]', text, path)


if __name__ == "__main__":
    unittest.main()
