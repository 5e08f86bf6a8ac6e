"""Which file of a crate uses which: an arrow for every name that one takes from another.

A name is followed through re-exports to the file that defines it: a re-export is a signpost, no use. Tests inside a file
don't count, nor do modules that are for tests alone.
"""

import collections
import functools
import pathlib
import re

RAW = re.compile(r'\br(#*)".*?"\1', re.DOTALL)
COMMENT = re.compile(r"(?<!:)//[^\n]*|/\*.*?\*/", re.DOTALL)
TEXT = re.compile(r"""'(?:\\.|[^'\\])'|"(?:\\.|[^"\\])*\"""", re.DOTALL)
TESTS = re.compile(r"^#\[cfg\(test\)\]\s*\n(?:#\[[^\n]*\]\s*\n)*mod \w+ \{", re.MULTILINE)
FOR_TESTS = re.compile(r"#\[cfg\(test\)\]\s*\n\s*(?:pub(?:\([^)]*\))? )?mod (\w+);")
CHILD = re.compile(r"\bmod (\w+);")
USE = re.compile(r"((?:\bpub(?:\([^)]*\))? )?)\buse ([^;]+);")
PATH = re.compile(r"(?<![\w:])(?:[a-z_]\w*)(?:::\w+)+")


class Crate:
    """The modules of a crate that are files, by their paths (`a::b`; the root is empty), and what they say."""

    def __init__(self, source):
        self.source = pathlib.Path(source)
        self.files = {name_of(path.relative_to(self.source)): path for path in sorted(self.source.rglob("*.rs"))}
        texts = {name: path.read_text() for name, path in self.files.items()}
        for name, text in texts.items():
            for child in FOR_TESTS.findall(text):
                self.files.pop(below(name, child), None)
        self.code = {name: plain(texts[name]) for name in self.files}
        self.uses, self.signs = {}, {}
        for name, code in self.code.items():
            self.uses[name], self.signs[name] = [], {}
            for public, tree in USE.findall(code):
                for path, known_as in flat(tree):
                    if public:
                        self.signs[name][known_as] = path
                    self.uses[name].append((path, known_as, bool(public)))

    @functools.cached_property
    def arrows(self):
        """Module: the modules that it takes a name from."""
        arrows = {name: set() for name in self.files}
        for name, code in self.code.items():
            children = {child: f"self::{child}" for child in CHILD.findall(code) if below(name, child) in self.files}
            aliases = {known_as: path for path, known_as, _ in self.uses[name] if self.is_module(name, path, children)}
            body = USE.sub("", code)
            words = set(re.findall(r"\w+", body))
            # What is exported again is used here too where its name stands below.
            paths = [
                path
                for path, known_as, public in self.uses[name]
                if known_as not in aliases and (not public or known_as in words)
            ]
            paths += PATH.findall(body)
            for path in paths:
                first, _, rest = path.partition("::")
                known = aliases.get(first) or children.get(first)
                target = self.defined_in(name, f"{known}::{rest}" if known and rest else known or path)
                if target is not None and target != name:
                    arrows[name].add(target)
        return arrows

    def is_module(self, name, path, children):
        first = path.partition("::")[0]
        full = self.full(name, f"self::{path}" if first in children else path)
        return full is not None and "::".join(full) in self.files

    def full(self, name, path):
        """The segments of a path from the root; nothing for what another crate has."""
        base, segments = name.split("::") if name else [], path.split("::")
        if segments[0] == "crate":
            return segments[1:]
        if segments[0] == "self":
            return base + segments[1:]
        if segments[0] != "super":
            return None
        while segments and segments[0] == "super":
            base, segments = base[:-1], segments[1:]
        return base + segments

    def defined_in(self, name, path, depth=0):
        """The module whose file defines what a path names."""
        full = self.full(name, path)
        if full is None:
            return None
        for end in range(len(full), -1, -1):
            module = "::".join(full[:end])
            if module in self.files:
                rest = full[end:]
                break
        if rest and depth < 10:
            sign = self.signs[module].get(rest[0])
            if sign is not None:
                first = sign.partition("::")[0]
                sign = f"self::{sign}" if below(module, first) in self.files else sign
                if self.full(module, sign) is None:
                    return module
                return self.defined_in(module, "::".join([sign, *rest[1:]]), depth + 1)
            for known_as, path in self.signs[module].items():
                if known_as.startswith("*"):
                    found = self.defined_in(module, path, depth + 1)
                    if found is not None and re.search(rf"\b{rest[0]}\b", self.code[found]):
                        return found
        return module

    def path(self, name):
        """The file of a module, from the root of the repository."""
        return f"crates/{self.source.parent.name}/src/{self.files[name].relative_to(self.source).as_posix()}"


def name_of(path):
    parts = list(path.with_suffix("").parts)
    if parts[-1] in ("mod", "lib", "main") and (len(parts) > 1 or parts[-1] != "mod"):
        parts = parts[:-1]
    return "::".join(parts)


def below(name, child):
    return f"{name}::{child}" if name else child


def plain(text):
    """Without comments, texts and tests."""
    text = RAW.sub('""', text)
    text = TESTS.split(text)[0]
    text = COMMENT.sub("", text)
    # How far a name is seen is no use of what it names.
    return re.sub(r"\bpub\(in [\w:]+\)", "pub", TEXT.sub('""', text))


def flat(tree):
    """The paths of a use tree, each with the name that it is known by."""
    tree = " ".join(tree.split())
    depth, item, items = 0, "", []
    for letter in tree + ",":
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            items.append(item.strip())
            item = ""
        else:
            item += letter
    found = []
    for item in filter(None, items):
        head, brace, rest = item.partition("{")
        if brace:
            head = head.strip().removesuffix("::")
            for path, known_as in flat(rest.rsplit("}", 1)[0]):
                if path == "self":
                    known_as = head.rsplit("::", 1)[-1] if known_as == "self" else known_as
                    found.append((head, known_as))
                else:
                    found.append((f"{head}::{path}" if head else path, known_as))
        else:
            path, _, known_as = item.partition(" as ")
            path = path.strip()
            if path.endswith("::*"):
                found.append((path.removesuffix("::*"), f"*{path}"))
            else:
                found.append((path, known_as.strip() or path.rsplit("::", 1)[-1]))
    return found


def circles(arrows):
    """The sets of more than one that all reach each other (Tarjan 1972), in order."""
    found, order, low, stack, on = [], {}, {}, [], set()

    def visit(node):
        order[node] = low[node] = len(order)
        stack.append(node)
        on.add(node)
        for other in sorted(arrows.get(node, ())):
            if other not in order:
                visit(other)
                low[node] = min(low[node], low[other])
            elif other in on:
                low[node] = min(low[node], order[other])
        if low[node] == order[node]:
            group = set()
            while node not in group:
                group.add(stack.pop())
            on.difference_update(group)
            if len(group) > 1:
                found.append(group)

    for node in sorted(arrows):
        if node not in order:
            visit(node)
    return sorted(found, key=sorted)


def round_trip(arrows, group):
    """A shortest way round within a circle."""
    start, before = min(group), {}
    todo = collections.deque([start])
    while todo:
        node = todo.popleft()
        for other in sorted(arrows[node] & group):
            if other == start:
                way = [start]
                while node != start:
                    way.append(node)
                    node = before[node]
                return [start, *reversed(way[1:]), start]
            if other not in before:
                before[other] = node
                todo.append(other)
    return []
