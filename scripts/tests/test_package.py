"""What scripts/package puts together, without building: that its parts fit each other and the units, and what the list of crates says."""

import configparser
import importlib.machinery
import importlib.util
import pathlib
import re
import subprocess
import tomllib
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
SCRIPT = (ROOT / "scripts/package").read_text()
DEB = tomllib.loads((ROOT / "crates/cli/Cargo.toml").read_text())["package"]["metadata"]["deb"]


def sbom():
    loader = importlib.machinery.SourceFileLoader("sbom", str(ROOT / "scripts/sbom"))
    module = importlib.util.module_from_spec(importlib.util.spec_from_loader("sbom", loader))
    loader.exec_module(module)
    return module


class Tree(unittest.TestCase):
    def test_every_file_that_is_staged_is_in_the_package_where_it_lies_in_the_tree(self):
        prefix = "../../target/package/tree/"
        folders = {}
        for source, target, mode in DEB["assets"]:
            self.assertTrue(source.startswith(prefix), source)
            self.assertEqual(str(pathlib.PurePath(source[len(prefix):]).parent), target.rstrip("/"), source)
            self.assertEqual(mode, "755" if source.endswith("/bin/sightline") else "644", source)
            folders[target.rstrip("/")] = source
        staged = set(re.findall(r'\$TREE"?/(usr/[^\s"$]+)', SCRIPT)) | set(re.findall(r"^completion \w+ (usr/\S+)", SCRIPT, re.M))
        for path in staged:
            # A file's folder, or a folder itself.
            path = path.removesuffix("/*.1").rstrip("/")
            self.assertTrue(path in folders or str(pathlib.PurePath(path).parent) in folders, f"{path} is not packaged")

    def test_what_it_reads_from_deploy_is_there(self):
        for path in re.findall(r"\b(deploy/[\w./-]+\w)", SCRIPT):
            self.assertTrue((ROOT / path).exists() or path == "deploy/systemd", path)

    def test_the_units_run_as_the_account_that_is_made_in_the_folders_that_are_made(self):
        users = re.findall(r"^u (\w+) - \".*\" (\S+)", (ROOT / "deploy/debian/sightline.sysusers").read_text(), re.M)
        folders = re.findall(r"^d (\S+) \d+ (\w+) (\w+)", (ROOT / "deploy/debian/sightline.tmpfiles").read_text(), re.M)
        self.assertEqual(users, [("sightline", "/var/lib/sightline")])
        self.assertEqual([f[0] for f in folders], ["/var/lib/sightline", "/var/cache/sightline"])
        for path in (ROOT / "deploy/systemd").glob("*.service"):
            unit = configparser.ConfigParser(strict=False, interpolation=None, comment_prefixes="#", delimiters="=")
            unit.optionxform = str
            unit.read(path)
            self.assertEqual(unit["Service"]["User"], "sightline", path.name)
            self.assertEqual(unit["Service"]["StateDirectory"], "sightline", path.name)


class Scripts(unittest.TestCase):
    def test_they_are_programs_that_sh_can_read_and_delete_nobodys_data(self):
        for name in ["postinst", "prerm", "postrm"]:
            path = ROOT / "deploy/debian" / name
            self.assertTrue(path.stat().st_mode & 0o100, name)
            subprocess.run(["sh", "-n", path], check=True)
            self.assertNotRegex(path.read_text(), r"\brm -|userdel|deluser", name)
        for name in ["package"]:
            subprocess.run(["bash", "-n", ROOT / "scripts" / name], check=True)


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
