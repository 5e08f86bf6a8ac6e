"""What scripts/package puts together, without building: that its parts fit each other and the units, that two runs make the same
bytes, and what the list of crates says."""

import configparser
import hashlib
import importlib.machinery
import importlib.util
import io
import os
import pathlib
import re
import subprocess
import tarfile
import tempfile
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = (ROOT / "scripts/package").read_text()


def sbom():
    loader = importlib.machinery.SourceFileLoader("sbom", str(ROOT / "scripts/sbom"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("sbom", loader))
    loader.exec_module(module)
    return module


# Stands in for the program: it writes a man page and completions, and is linked with the C library.
PROGRAM = r"""
#include <stdio.h>
#include <string.h>
int main(int argc, char **argv) {
    if (argc == 4 && !strcmp(argv[1], "man")) {
        char path[4096];
        snprintf(path, sizeof path, "%s/sightline.1", argv[3]);
        FILE *page = fopen(path, "w");
        return !page || fputs(".TH sightline 1\n", page) < 0 || fclose(page);
    }
    return argc != 3 || printf("# %s\n", argv[2]) < 0;
}
"""


class Made(unittest.TestCase):
    """Two runs of the script over one program, in folders and with rights of their own."""

    @classmethod
    def setUpClass(cls):
        cls.folder = tempfile.TemporaryDirectory()
        folder = pathlib.Path(cls.folder.name)
        (folder / "program.c").write_text(PROGRAM)
        subprocess.run(["cc", "-g", "-o", folder / "program", folder / "program.c"], check=True)
        cls.runs = []
        for name, umask, zone in [("one", 0o022, "UTC"), ("another-one", 0o077, "Asia/Tokyo")]:
            program = folder / "program"
            words = [ROOT / "scripts/package", "--binary", program, "--verifier", program, "--deb-version", "9.8~test", "--out", folder / name]
            env = os.environ | {"SOURCE_DATE_EPOCH": "1700000000", "TZ": zone, "LC_ALL": "C.UTF-8"}
            for unset in ("SIGHTLINE_SIGNING_KEY", "DEBEMAIL", "DEBFULLNAME"):
                env.pop(unset, None)
            subprocess.run(words, check=True, capture_output=True, env=env, umask=umask)
            cls.runs.append(folder / name)
        cls.deb = cls.runs[0] / f"sightline_9.8~test_{cls.dpkg('--print-architecture').strip()}.deb"

    @classmethod
    def tearDownClass(cls):
        cls.folder.cleanup()

    @staticmethod
    def dpkg(*words):
        return subprocess.run(["dpkg", *words], check=True, capture_output=True, text=True).stdout

    def test_two_runs_over_one_program_make_the_same_bytes(self):
        digests = []
        for run in self.runs:
            files = sorted(p for p in run.iterdir() if p.is_file())
            digests.append({p.name: hashlib.sha256(p.read_bytes()).hexdigest() for p in files})
        self.assertEqual(digests[0], digests[1])
        self.assertEqual({pathlib.PurePath(name).suffix for name in digests[0]}, {".xz", ".json", ".deb", ""})
        listed = dict(line.split()[::-1] for line in (self.runs[0] / "SHA256SUMS").read_text().splitlines())
        self.assertEqual(listed, {name: digest for name, digest in digests[0].items() if name != "SHA256SUMS"})

    def test_the_package_has_the_tree_of_the_tarball_and_is_roots(self):
        listed = self.dpkg("--contents", self.deb).splitlines()
        entries = {line.split()[-1].removeprefix("./").rstrip("/"): line.split()[:2] for line in listed}
        entries.pop("", None)
        tree = self.runs[0] / "tree"
        self.assertEqual(set(entries), {str(p.relative_to(tree)) for p in tree.rglob("*")})
        for name, (mode, owner) in entries.items():
            program = name == "usr/bin/sightline" or mode.startswith("d")
            self.assertEqual((mode[1:], owner), ("rwxr-xr-x" if program else "rw-r--r--", "root/root"), name)

    def test_what_an_auditor_runs_is_a_tarball_of_its_own_without_the_rest(self):
        [made] = self.runs[0].glob("sightline-verify-*.tar.xz")
        with tarfile.open(made) as tree:
            files = {member.name: member.mode for member in tree if member.isfile()}
        self.assertEqual(files, {"usr/bin/sightline-verify": 0o755, "usr/share/doc/sightline-verify/copyright": 0o644})
        self.assertFalse((self.runs[0] / "tree/usr/bin/sightline-verify").exists())

    def test_its_control_file_is_whole(self):
        fields = self.dpkg("--field", self.deb)
        self.assertNotIn("@", fields.replace("sightline@localhost", ""))
        self.assertIn("Version: 9.8~test\n", fields)
        self.assertRegex(fields, r"Depends: libc6 \(>= [\d.]+\), ")
        with tempfile.TemporaryDirectory() as folder:
            self.dpkg("--control", self.deb, folder)
            control = pathlib.Path(folder)
            scripts = ["postinst", "postrm", "prerm"]
            self.assertEqual(sorted(p.name for p in control.iterdir()), sorted(["control", "md5sums", *scripts]))
            for name in scripts:
                self.assertEqual((control / name).read_bytes(), (ROOT / "deploy/debian" / name).read_bytes())
                self.assertTrue((control / name).stat().st_mode & 0o111, name)
            subprocess.run(["md5sum", "--quiet", "--check", control / "md5sums"], cwd=self.runs[0] / "tree", check=True)

    def test_the_copyright_is_ours(self):
        packed = subprocess.run(["dpkg-deb", "--fsys-tarfile", self.deb], check=True, capture_output=True).stdout
        with tarfile.open(fileobj=io.BytesIO(packed)) as tree:
            found = tree.extractfile("./usr/share/doc/sightline/copyright").read()
        self.assertEqual(found, (ROOT / "deploy/debian/copyright").read_bytes())


class Tree(unittest.TestCase):
    def test_what_it_reads_from_deploy_is_there(self):
        for path in re.findall(r"\b(deploy/[\w./-]+\w)", SCRIPT):
            self.assertTrue((ROOT / path).exists() or path == "deploy/systemd", path)

    def test_the_units_run_as_the_account_that_is_made_in_the_folders_that_are_made(self):
        users = re.findall(r"^u (\w+) - \".*\" (\S+)", (ROOT / "deploy/debian/sightline.sysusers").read_text(), re.M)
        folders = re.findall(r"^d (\S+) \d+ (\w+) (\w+)", (ROOT / "deploy/debian/sightline.tmpfiles").read_text(), re.M)
        self.assertEqual(users, [("sightline", "/var/lib/sightline")])
        self.assertEqual([f[0] for f in folders], ["/var/lib/sightline", "/var/lib/sightline-mark", "/run/sightline", "/var/cache/sightline"])
        states = {"sightline": "sightline sightline-mark", "sightline-ingest": "sightline"}
        for path in (ROOT / "deploy/systemd").glob("*.service"):
            unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#", delimiters="=")
            unit.optionxform = str
            unit.read(path)
            self.assertEqual(unit["Service"]["User"], "sightline", path.name)
            # The log's high-water mark has a folder that is no part of the home folder; a worker has no log.
            self.assertEqual(unit["Service"]["StateDirectory"], states[path.stem], path.name)


class HandOut(unittest.TestCase):
    def test_keys_are_handed_out_from_where_nobody_else_deletes_them(self):
        """systemd deletes an account's files in /dev/shm when its unit stops."""
        said = 0
        for path in [*(ROOT / "deploy").rglob("*"), *(ROOT / "docs").glob("*.md"), ROOT / "README.md"]:
            if path.is_file():
                for place in re.findall(r"--hand-out (/\S+?)[`\"\s]", path.read_text()):
                    said += 1
                    self.assertIn(place, {"/run/sightline/hand-out", "/hand-out/keys"}, path)
        self.assertGreaterEqual(said, 4)


class Scripts(unittest.TestCase):
    def test_they_are_programs_that_sh_can_read_and_delete_nobodys_data(self):
        for name in ["postinst", "prerm", "postrm"]:
            path = ROOT / "deploy/debian" / name
            self.assertTrue(path.stat().st_mode & 0o100, name)
            subprocess.run(["sh", "-n", path], check=True)
            self.assertNotRegex(path.read_text(), r"\brm -|userdel|deluser", name)
        subprocess.run(["bash", "-n", ROOT / "scripts/package"], check=True)
        compile((ROOT / "scripts/try-package").read_text(), "try-package", "exec")


class Sbom(unittest.TestCase):
    def test_it_names_what_is_linked_and_not_what_builds_or_tests(self):
        module = sbom()
        data = module.metadata("x86_64-unknown-linux-gnu")
        made = module.bom(data, with_debian=False)
        names = {c["name"] for c in made["components"]}
        for linked in ["tokio", "rustls", "gstreamer", "sqlx-core", "ort", "server", "types"]:
            self.assertIn(linked, names)
        for not_linked in ["insta", "proptest", "s3s", "cli", "clap_derive", "windows-sys", "protox"]:
            self.assertNotIn(not_linked, names)
        self.assertTrue(all(c["purl"].startswith(("pkg:cargo/", "pkg:npm/")) for c in made["components"]))
        page = {c["name"] for c in made["components"] if c["purl"].startswith("pkg:npm/")}
        self.assertEqual(page, {"@bufbuild/protobuf", "@connectrpc/connect", "@connectrpc/connect-web", "svelte", "clsx"})
        self.assertEqual(made, module.bom(data, with_debian=False))
        foreign = [c["name"] for c in made["components"] if "licenses" not in c]
        self.assertEqual(foreign, [], "without a licence")


if __name__ == "__main__":
    unittest.main()
