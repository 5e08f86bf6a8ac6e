"""imports.py, and what check-architecture makes of it, on crates made here."""

import importlib.machinery
import importlib.util
import pathlib
import tempfile
import unittest

SCRIPT = pathlib.Path(__file__).resolve().parent.parent / "check-architecture"
ROOT = SCRIPT.parent.parent
loader = importlib.machinery.SourceFileLoader("check_architecture", str(SCRIPT))
check = importlib.util.module_from_spec(importlib.util.spec_from_loader("check_architecture", loader))
loader.exec_module(check)


class Made(unittest.TestCase):
    def setUp(self):
        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        self.root = pathlib.Path(folder.name)

    def write(self, crate, files):
        for name, text in files.items():
            path = self.root / "crates" / crate / "src" / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text)
        return check.Crate(self.root / "crates" / crate / "src")


class Imports(Made):
    def arrows(self, **files):
        return self.write("c", {name.replace("__", "/") + ".rs": text for name, text in files.items()}).arrows

    def test_a_name_is_an_arrow_however_it_is_written(self):
        for text in (
            "use crate::b::Thing;",
            "use crate::{b::{Thing, other}, c};",
            "use super::b;\nfn f() { b::other() }",
            "use super::b as bee;\nfn f() { bee::other() }",
            "fn f() { crate::b::other() }",
            "fn f() -> super::b::Thing {}",
            "use crate::{\n    b::{\n        self,\n        Thing as T,\n    },\n};",
        ):
            with self.subTest(text):
                arrows = self.arrows(lib="mod a;\nmod b;\nmod c;\n", a=text, b="pub struct Thing;\npub fn other() {}", c="")
                self.assertEqual(arrows["a"], {"b"})

    def test_what_is_said_and_not_used_is_none(self):
        for text in (
            "// crate::b::other()",
            'const A: &str = "crate::b::other()";',
            'const A: &str = r#"crate::b::other()"#;',
            "pub use crate::b::Thing;",
            "use crate::b;",
            "pub(in crate::b) fn f() {}",
            "#[cfg(test)]\nmod tests {\n    use crate::b::Thing;\n}",
            "use types::b::Thing;",
        ):
            with self.subTest(text):
                self.assertEqual(self.arrows(lib="mod a;\nmod b;\n", a=text, b="pub struct Thing;")["a"], set())

    def test_a_name_is_followed_to_the_file_that_has_it(self):
        arrows = self.arrows(
            lib="mod a;\nmod b;\npub use b::Thing;\n",
            a="use crate::Thing;",
            b="mod deep;\npub use deep::Thing;",
            b__deep="pub struct Thing;",
        )
        self.assertEqual(arrows["a"], {"b::deep"})
        self.assertEqual(arrows["b"], set())

    def test_what_is_exported_again_and_used_is_used(self):
        arrows = self.arrows(lib="mod a;\n", a="mod deep;\npub use deep::Thing;\nfn f() -> Thing {}", a__deep="pub struct Thing;")
        self.assertEqual(arrows["a"], {"a::deep"})

    def test_modules_for_tests_are_no_part_of_the_crate(self):
        arrows = self.arrows(lib="mod a;\nmod b;\n", a="#[cfg(test)]\nmod tests;\n", a__tests="use crate::b::Thing;", b="")
        self.assertNotIn("a::tests", arrows)


class Circles(Made):
    def test_a_circle_is_named_with_a_way_round(self):
        self.write("c", {"lib.rs": "mod a;\nmod b;", "a.rs": "use crate::b::B;", "b.rs": "use crate::a::A;"})
        found = list(check.file_circles(self.root, {}))
        self.assertEqual(len(found), 1)
        self.assertIn("crates/c/src/a.rs -> crates/c/src/b.rs -> crates/c/src/a.rs", found[0])

    def test_a_listed_circle_may_neither_grow_nor_shrink_nor_stay_for_nothing(self):
        files = {"lib.rs": "mod a;\nmod b;\nmod d;", "a.rs": "use crate::b::B;", "b.rs": "use crate::a::A;", "d.rs": ""}
        self.write("c", files)
        listed = {("c", "one"): (["crates/c/src/a.rs", "crates/c/src/b.rs"], "a reason")}
        self.assertEqual(list(check.file_circles(self.root, listed)), [])
        self.write("c", {"a.rs": "use crate::d::D;", "d.rs": "use crate::b::B;"})
        self.assertIn("d.rs: joined", " ".join(check.file_circles(self.root, listed)))
        more = {("c", "one"): ([*listed["c", "one"][0], "crates/c/src/d.rs", "crates/c/src/lib.rs"], "a reason")}
        self.assertIn("lib.rs: left", " ".join(check.file_circles(self.root, more)))
        self.write("c", {"a.rs": ""})
        self.assertIn("is no circle any more", " ".join(check.file_circles(self.root, listed)))

    def test_this_workspace_has_no_circle_but_those_listed(self):
        self.assertEqual(list(check.file_circles(ROOT)), [])
        for listed, reason in check.CIRCLES.values():
            self.assertTrue(listed and reason)


class Rooms(Made):
    ALLOWED = {"low": set(), "high": {"low"}, "edge": {"low"}}
    FILES = {
        "lib.rs": "mod edge;\nmod high;\nmod low;\npub use low::Low;",
        "low.rs": "pub struct Low;",
        "high.rs": "mod inner;\npub struct High;",
        "high/inner.rs": "use crate::low::Low;",
        "edge.rs": "use tonic::Status;\nuse crate::low::Low;",
    }

    def faults(self, allowed=ALLOWED, **changed):
        self.write("server", {**self.FILES, **{f"{name}.rs": text for name, text in changed.items()}})
        return list(check.rooms(self.root, allowed))

    def test_rooms_that_use_what_they_may_are_without_fault(self):
        self.assertEqual(self.faults(), [])

    def test_an_arrow_up_is_named_with_its_file(self):
        found = " ".join(self.faults(low="use crate::high::High;\npub struct Low;"))
        self.assertIn("crates/server/src/low.rs -> crates/server/src/high.rs: the room low may use none of ours", found)
        self.assertIn("the rooms high, low go round in a circle", found)

    def test_a_name_from_the_root_is_found_where_it_is(self):
        found = self.faults(low="pub struct Low;", edge="use tonic::Status;\nuse crate::Low;")
        self.assertEqual(found, [])

    def test_only_the_edge_speaks_grpc(self):
        for words in ("use tonic::Code;", "fn f(_: prost::Message) {}", "use proto::v1;", "fn f() -> v1::Camera {}"):
            with self.subTest(words):
                self.assertIn("low.rs: speaks gRPC", " ".join(self.faults(low=f"{words}\npub struct Low;")))
        tested = "pub struct Low;\n#[cfg(test)]\nmod tests {\n    use tonic::Code;\n}"
        self.assertEqual(self.faults(low=tested), [])

    def test_the_table_has_every_room_and_nothing_for_nothing(self):
        self.assertIn("other is no room", " ".join(self.faults(other="")))
        (self.root / "crates/server/src/other.rs").unlink()
        self.assertIn("there is no room gone", " ".join(self.faults({**self.ALLOWED, "gone": set()})))
        self.assertIn("high does not use edge", " ".join(self.faults({**self.ALLOWED, "high": {"low", "edge"}})))

    def test_the_rooms_of_this_server_use_what_they_may(self):
        self.assertEqual(list(check.rooms(ROOT)), [])


if __name__ == "__main__":
    unittest.main()
