"""check-architecture on workspaces made here."""

import importlib.machinery
import importlib.util
import pathlib
import re
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "check-architecture"
loader = importlib.machinery.SourceFileLoader("check_architecture", str(SCRIPT))
check = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_architecture", loader))
loader.exec_module(check)

GOOD = {
    "types": [],
    "redact": ["types"],
    "media": ["types", "gstreamer"],
    "vision": ["types", "redact", "ort"],
    "index": ["types", "qdrant-client"],
    "access": ["types"],
    "audit-log": ["types", "access", "hyper"],
    "auditor": ["access", "audit-log"],
    "catalogue": ["types", "redact", "access", "sqlx", "object_store"],
    "pipeline": ["types", "redact", "media", "vision"],
    "search": ["types", "vision", "index", "catalogue", "access"],
    "proto": ["types", "tonic"],
    "ingest": ["pipeline", "proto", "tonic"],
    "server": ["pipeline", "ingest", "search", "proto", "console", "tonic"],
    "console": ["proto", "tonic", "tonic-web"],
    "cli": ["server", "console", "tonic-health"],
    "benches": ["pipeline", "ort"],
}


def metadata(arrows, dev=(), outside=()):
    """What cargo would say of crates with these arrows; `dev` are (from, to) that only tests use."""
    names = set(arrows) | {to for used in arrows.values() for to in used} | {to for _, to in dev} | {n for pair in outside for n in pair}
    edges = [(a, b, None) for a, used in arrows.items() for b in used] + [(a, b, "dev") for a, b in dev]
    return {
        "workspace_members": [name for name in arrows],
        "packages": [
            {"id": name, "name": name, "dependencies": [{"name": b, "kind": kind} for a, b, kind in edges if a == name]} for name in names
        ],
        "resolve": {
            "nodes": [
                {"id": name, "deps": [{"pkg": b, "dep_kinds": [{"kind": kind}]} for a, b, kind in [*edges, *((*p, None) for p in outside)] if a == name]}
                for name in names
            ]
        },
    }


def faults(**more):
    arrows = {name: used + more.get(name, []) for name, used in GOOD.items()}
    return check.faults(metadata(arrows))


def table_of(heading):
    """Name and last column of the table below a heading of ARCHITECTURE.md."""
    text = (SCRIPT.parent.parent / "ARCHITECTURE.md").read_text()
    section = text.split(f"\n## {heading}\n")[1].split("\n## ")[0]
    rows = (re.fullmatch(r"\| `([\w-]+)` \|.*\| ([^|]*)\|", line) for line in section.splitlines())
    return {row[1]: row[2].strip() for row in rows if row}


class Architecture(unittest.TestCase):
    def test_the_design_itself_is_without_fault(self):
        self.assertEqual(faults(), [])

    def test_the_table_is_the_one_of_the_architecture_document(self):
        written = table_of("Crates")
        ours = {name: used for name, used in check.MAY_USE.items() if name != "benches"}
        self.assertEqual(set(written), set(ours))
        beyond = {"server", "cli", "contact", "flat-index", "auditor", "eval"}
        meant = {"any": check.ANY, "all but cli, contact, flat-index, auditor and eval": set(ours) - beyond}
        for name, words in written.items():
            self.assertEqual(meant.get(words, set(filter(None, words.split(", ")))), ours[name], name)

    def test_the_table_of_rooms_is_the_one_of_the_architecture_document(self):
        written = table_of("Rooms of the server")
        self.assertEqual(list(written), list(check.ROOMS))
        for name, words in written.items():
            meant = {"all": check.ANY, "all above": set(check.ROOMS) - {"edge", "lifecycle"}}
            self.assertEqual(meant.get(words, set(filter(None, words.split(", ")))), check.ROOMS[name], name)

    def test_the_table_has_no_cycle(self):
        table = {name: used if used is not check.ANY else set() for name, used in check.MAY_USE.items()}
        placed = set()
        while len(placed) < len(table):
            ready = {name for name, used in table.items() if name not in placed and used <= placed}
            self.assertTrue(ready, f"a cycle among {sorted(set(table) - placed)}")
            placed |= ready

    def test_an_arrow_that_the_table_lacks_is_a_fault(self):
        self.assertEqual(faults(access=["redact"]), ["access -> redact: access may use types"])
        self.assertIn("types -> proto: types may use none of ours", faults(types=["proto"]))

    def test_pipeline_and_search_are_apart_even_in_tests(self):
        self.assertIn("pipeline -> search: these two never depend on each other", faults(pipeline=["search"]))
        in_tests = check.faults(metadata(GOOD, dev=[("search", "pipeline")]))
        self.assertEqual(in_tests, ["search -> pipeline: these two never depend on each other"])

    def test_a_library_behind_a_boundary_is_named_by_its_owner_alone(self):
        self.assertIn("index -> ort-sys: only benches, vision may name ort", faults(index=["ort-sys"]))
        self.assertIn("catalogue -> tonic: only benches, cli, console, ingest, proto, server may name tonic", faults(catalogue=["tonic"]))
        self.assertIn("index -> tonic: only benches, cli, console, ingest, proto, server may name tonic", faults(index=["tonic"]))
        self.assertEqual(check.faults(metadata(GOOD, dev=[("index", "tonic"), ("server", "qdrant-client")])), [])
        self.assertIn("search -> sqlx: only catalogue may name sqlx", check.faults(metadata(GOOD, dev=[("search", "sqlx")])))

    def test_a_name_that_only_looks_alike_is_no_fault(self):
        self.assertEqual(faults(index=["orthanc", "sqlxyz"]), [])

    def test_a_library_that_comes_in_through_another_is_a_fault(self):
        arrows = {name: used + (["player"] if name == "search" else []) for name, used in GOOD.items()}
        found = check.faults(metadata(arrows, outside=[("player", "gstreamer-video")]))
        self.assertEqual(found, ["search links gstreamer-video; only benches, cli, eval, ingest, media, pipeline, server may contain gstreamer"])

    def test_who_checks_a_record_links_nothing_that_a_server_needs(self):
        for heavy in ("sqlx-core", "libsqlite3-sys", "gstreamer", "ort", "tonic", "reqwest"):
            arrows = {name: used + (["player"] if name == "audit-log" else []) for name, used in GOOD.items()}
            found = check.faults(metadata(arrows, outside=[("player", heavy)]))
            for crate in ("audit-log", "auditor"):
                self.assertTrue(any(fault.startswith(f"{crate} links {heavy}; it may contain nothing of") for fault in found), found)
        self.assertEqual(check.faults(metadata(GOOD, dev=[("audit-log", "reqwest")])), [])

    def test_tests_may_use_other_crates(self):
        self.assertEqual(check.faults(metadata(GOOD, dev=[("search", "redact")])), [])

    def test_a_crate_that_the_table_lacks_is_a_fault(self):
        found = check.faults(metadata(GOOD | {"portal": ["types"]}))
        self.assertEqual(found, ["portal: this crate is not in the table of scripts/check-architecture"])

    def test_nothing_depends_on_the_command_line(self):
        self.assertIn("server -> cli: server may use access, audit-log, catalogue, console, deployment, durable, index, indexer, ingest, media, onvif, pipeline, proto, redact, search, tasks, types, vision", faults(server=["cli"]))


class ReadsForNoCase(unittest.TestCase):
    def test_the_door_to_reads_for_no_case_is_not_opened_where_calls_are_answered(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            services = root / check.ANSWERS
            (services / "ingest").mkdir(parents=True)
            (services / "good.rs").write_text("self.0.catalogue().crop_for(&permit, id).await; catalogue.sightings_for(&permit, &ids)")
            self.assertEqual(list(check.read_for_no_case(root)), [])
            (services / "ingest/bad.rs").write_text("self.0\n    .catalogue()\n    .maintenance(Reason::Check)\n    .crop(id)")
            self.assertEqual(len(list(check.read_for_no_case(root))), 1)

    def test_this_workspace_reads_for_a_case_wherever_calls_are_answered(self):
        root = SCRIPT.parent.parent
        self.assertTrue((root / check.ANSWERS).is_dir())
        self.assertEqual(list(check.read_for_no_case(root)), [])


class WritesByHand(unittest.TestCase):
    def test_a_file_written_by_hand_is_named_unless_it_is_listed_or_a_test(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            source = root / "crates/server/src"
            source.mkdir(parents=True)
            (source / "good.rs").write_text("durable::write(&file, bytes)?;\n#[cfg(test)]\nmod tests { fs::write(a, b); }")
            (source / "listed.rs").write_text("fs::write(&file, bytes)?;")
            allowed = {"crates/server/src/listed.rs": "a reason"}
            self.assertEqual(list(check.written_by_hand(root, allowed)), [])
            (source / "good").mkdir()
            (source / "good/tests.rs").write_text("fs::write(&file, bytes)?;")
            self.assertEqual(len(list(check.written_by_hand(root, allowed))), 1, "a file may be called so without being tests")
            (source / "good.rs").write_text("#[cfg(test)]\nmod tests;\n")
            self.assertEqual(list(check.written_by_hand(root, allowed)), [])
            for by_hand in ("fs::write(&f, b)", "File::create(&f)", "fs::rename(&a, &b)", "OpenOptions::new()"):
                (source / "bad.rs").write_text(f"\n{by_hand}")
                found = list(check.written_by_hand(root, allowed))
                self.assertEqual(len(found), 1)
                self.assertIn("crates/server/src/bad.rs:2:", found[0])
            (source / "bad.rs").unlink()
            (source / "listed.rs").write_text("")
            self.assertEqual(len(list(check.written_by_hand(root, allowed))), 1, "what is listed for nothing")

    def test_this_workspace_writes_its_files_through_one_crate(self):
        self.assertEqual(list(check.written_by_hand(SCRIPT.parent.parent)), [])


class Sizes(unittest.TestCase):
    def test_too_many_long_files_are_a_fault_and_some_are_not(self):
        with tempfile.TemporaryDirectory() as folder:
            root = pathlib.Path(folder)
            source = root / "crates/server/src"
            (source / "gen").mkdir(parents=True)
            (source / "gen/made.rs").write_text("x\n" * 10_000)
            for n in range(19):
                (source / f"{n}.rs").write_text("x\n" * 100)
            (source / "long.rs").write_text("x\n" * 900)
            self.assertEqual(list(check.sizes(root)), [])
            for n in range(2):
                (source / f"{n}.rs").write_text("x\n" * 320)
            found = list(check.sizes(root))
            self.assertEqual(len(found), 1)
            self.assertIn("90th percentile is 320 lines, not below 320; split 2 by meaning, such as crates/server/src/1.rs (320)", found[0])
            for n in range(10):
                (source / f"{n}.rs").write_text("x\n" * 150)
            self.assertIn("median is 150 lines", list(check.sizes(root))[0])

    def test_the_files_of_this_workspace_are_short(self):
        self.assertEqual(list(check.sizes(SCRIPT.parent.parent)), [])


if __name__ == "__main__":
    unittest.main()
