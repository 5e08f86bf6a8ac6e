"""A test that left something out is said, and fails where `CI` is set and nobody listed the reason."""

import os
import pathlib
import re
import subprocess
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parents[2]
TOOL = ROOT / "scripts" / "skipped"


def run(said, ci):
    with tempfile.TemporaryDirectory() as folder:
        report = pathlib.Path(folder, "junit.xml")
        report.write_text(f"<testsuites><testsuite><testcase name='a'><system-err>{said}</system-err></testcase></testsuite></testsuites>")
        environment = {name: value for name, value in os.environ.items() if name != "CI"} | ({"CI": "true"} if ci else {})
        return subprocess.run([TOOL, report], capture_output=True, text=True, env=environment, check=False)


class Skipped(unittest.TestCase):
    def test_a_reason_that_nobody_listed_fails_in_ci_alone(self):
        said = "noise\nSKIPPED: the moon is not full"
        self.assertEqual(run(said, ci=False).returncode, 0)
        done = run(said, ci=True)
        self.assertEqual(done.returncode, 1)
        self.assertIn("the moon is not full", done.stderr)

    def test_a_listed_reason_is_said_and_passes(self):
        done = run("SKIPPED: no footage; set SIGHTLINE_FOOTAGE", ci=True)
        self.assertEqual((done.returncode, "SIGHTLINE_FOOTAGE" in done.stderr), (0, True))

    def test_what_scripts_test_installs_is_never_listed(self):
        text = (ROOT / "scripts" / "test").read_text()
        installed = re.search(r"MORE_PACKAGES=\(([^)]*)\)", text)[1].split()
        table = TOOL.read_text().partition("MAY_LACK = [")[2].partition("\n]")[0].lower()
        for package in installed:
            self.assertNotIn(package.split("-")[0], table, package)


if __name__ == "__main__":
    unittest.main()
