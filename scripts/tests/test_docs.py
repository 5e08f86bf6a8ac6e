"""The documents against the repository: links, files, tests and words that they name are there."""

import functools
import pathlib
import re
import unittest

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent
WIDEST = 100
# Written or rewritten for lines of this width. The others follow as they are touched.
NARROW = ["README.md", "ARCHITECTURE.md", "CONTRIBUTING.md", "docs/glossary.md", "docs/versions.md", "docs/decisions"]
# `deploy/city/prepare` makes this one.
MADE = ["deploy/city/secrets"]
# Folders of the repository: an inline code that begins with one is a path that must be there.
FOLDERS = ("crates/", "docs/", "scripts/", "proto/", "models/", "deploy/", "benches/", ".ci/")


def documents():
    """Every document, by its path from the root."""
    found = sorted(ROOT.glob("*.md")) + sorted((ROOT / "docs").rglob("*.md")) + sorted((ROOT / "benches").glob("*.md"))
    return {str(path.relative_to(ROOT)): path.read_text() for path in found}


def without_blocks(text):
    """The text without its fenced blocks."""
    return re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)


def inline_code(text):
    return [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", without_blocks(text))]


def anchors(text):
    """The anchors of its headings, as the repository's host makes them."""
    heads = re.findall(r"^#+ (.+)$", without_blocks(text), flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@functools.lru_cache
def sources():
    """Every line of Rust and Python there is."""
    folders = [ROOT / "crates", ROOT / "benches", ROOT / "scripts", ROOT / "models"]
    files = [path for folder in folders for path in sorted(folder.rglob("*")) if path.suffix in (".rs", ".py")]
    return "\n".join(path.read_text() for path in files if "/gen/" not in str(path) and "/target/" not in str(path))


@functools.lru_cache
def functions():
    return set(re.findall(r"\b(?:fn|def) (\w+)", sources()))


@functools.lru_cache
def words_of(crate):
    return set(re.findall(r"\w+", "\n".join(path.read_text() for path in (ROOT / "crates" / crate / "src").rglob("*.rs"))))


class Documents(unittest.TestCase):
    def test_every_relative_link_leads_somewhere(self):
        all_of_them, wrong = documents(), []
        for name, text in all_of_them.items():
            for link in re.findall(r"\]\(([^)\s]+)\)", without_blocks(text)):
                if re.match(r"[a-z]+:", link):
                    continue
                path, _, anchor = link.partition("#")
                target = (ROOT / name).parent / path if path else ROOT / name
                if not target.exists():
                    wrong.append(f"{name}: {link}")
                elif anchor and anchor not in anchors(target.read_text()):
                    wrong.append(f"{name}: {link} (no such heading)")
        self.assertEqual(wrong, [])

    def test_every_file_that_is_named_is_there(self):
        wrong = []
        for name, text in documents().items():
            for code in inline_code(text):
                path = re.match(r"[\w./-]+", code)
                if not path or not path[0].startswith(FOLDERS) or any(c in code for c in "*{<") or re.search(r"[A-Z]{4}", path[0]):
                    continue
                if path[0] not in MADE and not (ROOT / path[0]).exists():
                    wrong.append(f"{name}: {code}")
        self.assertEqual(wrong, [])

    def test_every_test_that_is_named_is_there(self):
        wrong = []
        for name, text in documents().items():
            for code in inline_code(text):
                # The name of a test is a sentence: five words or more.
                if test := re.fullmatch(r"(?:[\w/. ]+(?:::| ))*(\w+)", code):
                    if test[1].count("_") >= 4 and test[1] not in functions() and not test[1].startswith("sightline_"):
                        wrong.append(f"{name}: {code}")
        self.assertEqual(wrong, [])

    def test_lines_are_no_wider_than_the_limit(self):
        wrong = []
        for name, text in documents().items():
            if not any(name == narrow or name.startswith(f"{narrow}/") for narrow in NARROW):
                continue
            for number, line in enumerate(text.splitlines(), 1):
                # A table's row and a name that can't be broken may be longer.
                if len(line) > WIDEST and not line.startswith("|") and not re.fullmatch(r"\s*\S+", line):
                    wrong.append(f"{name}:{number}")
        self.assertEqual(wrong, [])


class Glossary(unittest.TestCase):
    TEXT = (ROOT / "docs/glossary.md").read_text()

    def test_its_words_are_in_alphabetical_order_and_there_once(self):
        words = [word.lower() for word in re.findall(r"^\*\*(.+?)\.\*\*", self.TEXT, flags=re.MULTILINE)]
        self.assertGreater(len(words), 50)
        self.assertEqual(words, sorted(set(words)))

    def test_where_a_word_lives_is_there(self):
        wrong = []
        for code in inline_code(self.TEXT):
            if place := re.fullmatch(r"(\w+)::([\w:]+)(?:\(\))?", code):
                crate, path = place[1].replace("_", "-"), place[2].split("::")
                if not (ROOT / "crates" / crate).is_dir() or not all(part in words_of(crate) for part in path):
                    wrong.append(code)
        self.assertEqual(wrong, [])


class Decisions(unittest.TestCase):
    def test_each_has_a_number_of_its_own_the_three_parts_and_a_line_in_the_list(self):
        folder = ROOT / "docs/decisions"
        files = sorted(path for path in folder.glob("*.md") if path.name != "README.md")
        self.assertEqual([path.name[:4] for path in files], [f"{number:04}" for number in range(1, len(files) + 1)])
        listed = (folder / "README.md").read_text()
        for path in files:
            text = path.read_text()
            title = re.match(r"# (\d+)\. (.+)\n", text)
            self.assertEqual(int(title[1]), int(path.name[:4]), path.name)
            self.assertIn(f"| [{path.name[:4]}]({path.name}) | {title[2]} |", listed)
            for part in ("Context", "Decision", "Consequence"):
                self.assertEqual(text.count(f"**{part}.** "), 1, f"{path.name}: {part}")


if __name__ == "__main__":
    unittest.main()
