"""Nothing here loads ONNX Runtime before its telemetry is off."""

import os
import pathlib
import re
import subprocess
import sys
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
QUIET = 'os.environ["ORT_DISABLE_TELEMETRY"] = "1"'


class Quiet(unittest.TestCase):
    def test_every_script_that_loads_onnx_runtime_turns_its_telemetry_off_first(self):
        loading = 0
        for folder in ["models", "benches", "scripts"]:
            for path in sorted((ROOT / folder).rglob("*.py")):
                text = path.read_text()
                if load := re.search(r"^\s*(?:import|from) onnxruntime\b", text, re.M):
                    loading += 1
                    self.assertIn(QUIET, text[: load.start()], path)
        self.assertGreater(loading, 0)

    def test_what_fetch_starts_has_the_telemetry_off(self):
        started = "import fetch, subprocess, sys; subprocess.run([sys.executable, '-c', 'import os; print(os.environ[\"ORT_DISABLE_TELEMETRY\"])'])"
        environment = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
        done = subprocess.run([sys.executable, "-B", "-c", started], cwd=ROOT / "models", env=environment, capture_output=True, text=True)
        self.assertEqual(done.stdout.strip(), "1", done.stderr)


if __name__ == "__main__":
    unittest.main()
