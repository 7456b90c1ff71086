"""YAML -> a tree of nodes that know their places.

YAML 1.2 scalars (`1e-4` is a number, `no` is text). Refused: tags, duplicate keys, aliases that contain themselves,
anything large or deep. The tree is made from the parser's events without recursion, so that no file can exhaust the
stack, and an alias counts as often as it is used, so that no small file becomes a large tree.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import yaml

from gankit.core.errors import Path, Problem, RecipeError, dotted

MAX_BYTES, MAX_NODES, MAX_DEPTH, MAX_FAULTS = 256 * 1024, 10_000, 40, 50

_WORDS = {"": None, "~": None, "null": None, "Null": None, "NULL": None} | {
    text: value for value, word in ((True, "true"), (False, "false")) for text in (word, word.title(), word.upper())
}
_INTEGER = re.compile(r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+")
_FLOAT = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_SPECIAL = re.compile(r"([-+]?)\.(inf|Inf|INF)|\.(nan|NaN|NAN)")

Place = tuple[int, int]


@dataclass
class Node:
    """A scalar, a list of nodes or a mapping of nodes. `at` and `keys` are (line, col) from 1, or None."""

    value: Any
    at: Place | None = None
    keys: dict[str, Place] = field(default_factory=dict)
    size: int = 1
    origin: Text | None = None
    """Where it was written, if not in the document itself: an option of the command line."""

    def children(self) -> Iterator[tuple[str | int, Node]]:
        if isinstance(self.value, dict):
            yield from self.value.items()
        elif isinstance(self.value, list):
            yield from enumerate(self.value)

    def child(self, key: str | int) -> Node | None:
        if isinstance(self.value, dict):
            return self.value.get(key)
        return self.value[i] if (i := self.index(key)) is not None else None

    def index(self, key: str | int) -> int | None:
        """`3` or `"3"` as the index of an item that this list has."""
        text = str(key)
        if not isinstance(self.value, list) or not text.isdecimal() or len(text) > 9:
            return None
        return int(text) if int(text) < len(self.value) else None

    def data(self) -> Any:
        """Plain dicts, lists and scalars."""
        if isinstance(self.value, dict):
            return {k: v.data() for k, v in self.value.items()}
        return [v.data() for v in self.value] if isinstance(self.value, list) else self.value


@dataclass(frozen=True)
class Text:
    """A text and what to call it in messages."""

    name: str
    text: str = field(repr=False)

    @cached_property
    def lines(self) -> list[str]:
        return self.text.split("\n")

    def problem(self, message: str, at: Place | None, path: str = "") -> Problem:
        if at is None:
            return Problem(message, path, self.name)
        source = self.lines[at[0] - 1] if at[0] <= len(self.lines) else ""
        return Problem(message, path, self.name, at[0], at[1], source)


@dataclass(frozen=True)
class Option(Text):
    """A `--set a.b=c`: one line, shown with a caret but without a line number."""

    def problem(self, message: str, at: Place | None, path: str = "") -> Problem:
        shown = f"--set {self.text}"
        col = len(shown) - len(self.text) + (at[1] if at else 1)
        return Problem(message, path, "--set", 0, col, shown)


class Refusal(Exception):
    """What is wrong with a document, and where; parse() collects them."""

    def __init__(self, message: str, mark: yaml.Mark) -> None:
        super().__init__(message)
        self.message, self.at = message, _place(mark)


def _place(mark: yaml.Mark) -> Place:
    return (mark.line + 1, mark.column + 1)


def decode(raw: bytes, name: str) -> str:
    """The text of a recipe file. Raises RecipeError when it is none."""
    if len(raw) > MAX_BYTES:
        raise RecipeError(Problem(f"is larger than {MAX_BYTES // 1024} kB: this is not a recipe", file=name))
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as e:
        line = raw.count(b"\n", 0, e.start) + 1
        raise RecipeError(Problem(f"line {line} is not UTF-8 text: this is not a recipe", file=name)) from None
    return text.replace("\r\n", "\n")


def parse(text: Text, content: str | None = None) -> Node:
    """The tree of a document: of `content`, where it is not the text itself.

    Raises RecipeError with every duplicate key, or with the place where reading ended.
    """
    content = text.text if content is None else content
    composer = Composer()
    try:
        root = composer.compose(content)
    except Refusal as e:
        composer.faults.append((e.message, e.at))
        root = None
    except yaml.MarkedYAMLError as e:
        mark = e.problem_mark or e.context_mark
        composer.faults.append((_plain(e), _place(mark) if mark else (1, 1)))
        root = None
    except yaml.reader.ReaderError as e:
        before = content[: e.position]
        at = (before.count("\n") + 1, e.position - before.rfind("\n"))
        composer.faults.append((f"the character {chr(e.character)!r} has no place in YAML", at))  # pyright: ignore
        root = None
    if composer.faults:
        raise RecipeError([text.problem(message, at) for message, at in composer.faults])
    return root or Node(None, (1, 1))


def _plain(e: yaml.MarkedYAMLError) -> str:
    problem = (e.problem or "").replace("'\\t'", "a tab")
    if "cannot start any token" in problem and "a tab" in problem:
        return "is not YAML: it has a tab; indent with spaces"
    context = f" {e.context}" if e.context else ""
    return f"is not YAML{context}: {problem}"


class Composer:
    """Builds the tree from the events, with a stack of its own."""

    def __init__(self) -> None:
        self.anchors: dict[str, Node | None] = {}  # None while the node is still open
        self.stack: list[tuple[Node, str | None, list[Any]]] = []  # node, anchor, [key, its event, merges]
        self.faults: list[tuple[str, Place]] = []
        self.count = 0
        self.root: Node | None = None

    def compose(self, text: str) -> Node | None:
        documents = 0
        for event in yaml.parse(text, Loader=yaml.SafeLoader):
            if isinstance(event, yaml.DocumentStartEvent):
                documents += 1
                if documents > 1:
                    raise Refusal("a recipe must be one document: a second one begins here", event.start_mark)
            elif isinstance(event, yaml.ScalarEvent):
                self._plain_tag(event)
                self._scalar(event)
            elif isinstance(event, yaml.MappingStartEvent | yaml.SequenceStartEvent):
                self._plain_tag(event)
                self._open(event)
            elif isinstance(event, yaml.MappingEndEvent | yaml.SequenceEndEvent):
                self._close(event)
            elif isinstance(event, yaml.AliasEvent):
                self._alias(event)
        return self.root

    def _plain_tag(self, event: yaml.ScalarEvent | yaml.CollectionStartEvent) -> None:
        if event.tag is not None:
            raise Refusal(f"a recipe may not have tags: remove `{event.tag}`", event.start_mark)

    def _scalar(self, event: yaml.ScalarEvent) -> None:
        if self._expects_key():
            self._key(event)
        else:
            value = resolve(event.value, event.start_mark) if event.style is None else event.value
            node = Node(value, _place(event.start_mark))
            if event.anchor:
                self.anchors[event.anchor] = node
            self._put(node, event)

    def _open(self, event: yaml.CollectionStartEvent) -> None:
        if self._expects_key():
            raise Refusal("a key must be a word, not a list or a mapping", event.start_mark)
        if len(self.stack) >= MAX_DEPTH:
            raise Refusal(f"is nested deeper than {MAX_DEPTH} levels", event.start_mark)
        if event.anchor:
            self.anchors[event.anchor] = None
        value: Any = {} if isinstance(event, yaml.MappingStartEvent) else []
        self.stack.append((Node(value, _place(event.start_mark)), event.anchor, [None, None, []]))

    def _close(self, event: yaml.CollectionEndEvent) -> None:
        node, anchor, (_, _, merges) = self.stack.pop()
        for merged in merges:
            for key, child in merged.value.items():
                if key not in node.value:
                    node.value[key], node.keys[key] = child, merged.keys[key]
        node.size = 1 + sum(child.size for _, child in node.children())
        if anchor:
            self.anchors[anchor] = node
        self._put(node, event, new=False)

    def _alias(self, event: yaml.AliasEvent) -> None:
        if self._expects_key():
            raise Refusal("a key must be a word, not an alias", event.start_mark)
        if event.anchor not in self.anchors:
            raise Refusal(f"the alias *{event.anchor} has no anchor &{event.anchor} before it", event.start_mark)
        node = self.anchors[event.anchor]
        if node is None:
            raise Refusal(f"the alias *{event.anchor} contains itself", event.start_mark)
        self._put(node, event)

    def _expects_key(self) -> bool:
        return bool(self.stack) and isinstance(self.stack[-1][0].value, dict) and self.stack[-1][2][1] is None

    def _key(self, event: yaml.ScalarEvent) -> None:
        node, _, state = self.stack[-1]
        key = event.value
        if key in node.value:
            line = node.keys[key][0]
            if len(self.faults) == MAX_FAULTS:
                raise Refusal("and so on: this is not a recipe", event.start_mark)
            self.faults.append((f"the key `{key}` appears twice: first in line {line}", _place(event.start_mark)))
        state[:2] = key, event
        if event.anchor:
            raise Refusal("an anchor belongs to a value, not to a key", event.start_mark)

    def _put(self, node: Node, event: yaml.Event, new: bool = True) -> None:
        self.count += node.size if new else 1
        if self.count > MAX_NODES:
            raise Refusal(
                f"has more than {MAX_NODES:,} values, counting aliases: this is not a recipe", event.start_mark
            )
        if not self.stack:
            self.root = node
            return
        parent, _, state = self.stack[-1]
        if isinstance(parent.value, list):
            parent.value.append(node)
            return
        key, key_event, merges = state
        state[:2] = None, None
        if key == "<<" and key_event.style is None:
            merges += self._mergeable(node, key_event)
        else:
            parent.value[key] = node
            parent.keys.setdefault(key, _place(key_event.start_mark))

    def _mergeable(self, node: Node, event: yaml.ScalarEvent) -> list[Node]:
        mappings = node.value if isinstance(node.value, list) else [node]
        if not all(isinstance(n.value, dict) for n in mappings):
            raise Refusal("`<<` takes a mapping, or a list of mappings", event.start_mark)
        return mappings


def resolve(text: str, mark: yaml.Mark) -> Any:
    """A plain scalar by the core schema of YAML 1.2."""
    if text in _WORDS:
        return _WORDS[text]
    if _INTEGER.fullmatch(text):
        if len(text) > 20:
            raise Refusal("has too many digits", mark)
        return int(text, 0) if text[:2] in ("0o", "0x") else int(text)
    if _FLOAT.fullmatch(text):
        return float(text)
    if special := _SPECIAL.fullmatch(text):
        return math.nan if special[3] else float(f"{special[1]}inf")
    return text


def from_data(value: object, depth: int = 0) -> Node:
    """The tree of Python data: it has no places."""
    if depth > MAX_DEPTH:
        raise RecipeError(Problem(f"is nested deeper than {MAX_DEPTH} levels"))
    if isinstance(value, Mapping):
        if not all(isinstance(k, str) for k in value):
            raise RecipeError(Problem("the keys of a recipe are strings"))
        return Node({k: from_data(v, depth + 1) for k, v in value.items()})
    if isinstance(value, list | tuple):
        return Node([from_data(v, depth + 1) for v in value])
    return Node(value)


def assign(root: Node, option: str) -> None:
    """Apply one `a.b=c`; the value is a YAML scalar, list or mapping, or, where nothing stands there, the empty text.

    A `name` on the way becomes `{type: name}`.
    """
    path, equals, value = option.partition("=")
    text, keys, at = Option("--set", option), path.strip().split("."), 1
    if not equals or not all(keys):
        raise RecipeError(text.problem("should look like `a.b=value`", (1, 1)))
    if len(keys) > MAX_DEPTH:
        raise RecipeError(text.problem(f"is nested deeper than {MAX_DEPTH} levels", (1, 1)))
    padded = " " * (len(path) + 1) + value  # so that columns count from the start of the option
    leaf = parse(text, padded) if value.strip() else Node("", (1, len(path) + 2))
    _stamp(leaf, text)
    if not isinstance(root.value, dict):
        return  # what stands there is no recipe: whoever reads it says so
    node = root
    for i, key in enumerate(keys[:-1]):
        there = node.child(key)
        child = _copy(there) if there else Node(None, (1, at), origin=text)
        _put(node, key, child, at, text)
        if isinstance(child.value, str):
            child.value, child.keys = {"type": Node(child.value, child.at, origin=child.origin)}, {}
        elif child.value is None:
            child.value = {}
        elif not isinstance(child.value, dict | list):
            raise RecipeError(text.problem(f"{dotted(keys[: i + 1])} holds a value, not a mapping", (1, at)))
        node, at = child, at + len(key) + 1
    _put(node, keys[-1], leaf, at, text)


def _put(node: Node, key: str, child: Node, at: int, text: Text) -> None:
    """Set a key of a mapping, or an item that a list has."""
    if isinstance(node.value, dict):
        node.value[key] = child
        if child.origin is text:
            node.keys[key] = (1, at)
        return
    index = node.index(key)
    if index is None:
        raise RecipeError(text.problem(f"the list has {len(node.value)} items: there is no {key!r}", (1, at)))
    node.value[index] = child


def _copy(node: Node) -> Node:
    """A node of its own: with aliases, the same one may stand at several places."""
    value = node.value
    if isinstance(value, dict | list):
        value = value.copy()
    return Node(value, node.at, dict(node.keys), node.size, node.origin)


def _stamp(node: Node, origin: Text) -> None:
    node.origin = origin
    for _, child in node.children():
        _stamp(child, origin)


@dataclass(frozen=True)
class Document:
    """A tree and the text that it came from."""

    root: Node
    text: Text

    def problem(self, path: Path, message: str, at_key: bool = False) -> Problem:
        """The place of a path: of its key if so wished, or of the nearest value around it that was written down."""
        node, text, at = self.root, self.text, self.root.at
        for i, key in enumerate(path):
            child = node.child(key)
            if child is None:
                continue  # a step of pydantic's own (the branch of a union), or a default that nobody wrote
            text = child.origin or text
            key_at = node.keys.get(str(key))
            wants_key = at_key and i == len(path) - 1
            at = (key_at or child.at) if wants_key or isinstance(child.value, dict | list) else (child.at or key_at)
            node = child
        return text.problem(message, at, dotted(path))


class _Dumper(yaml.SafeDumper):
    """Quotes what YAML 1.2, as `resolve` reads it, takes for something else than text."""

    def ignore_aliases(self, data: Any) -> bool:
        return True


def _represent(dumper: _Dumper, text: str) -> yaml.ScalarNode:
    spoken_for = text in _WORDS or any(form.fullmatch(text) for form in (_INTEGER, _FLOAT, _SPECIAL))
    escaped = not text.replace("\n", "").isprintable()
    style = '"' if escaped else "'" if spoken_for else None
    return dumper.represent_scalar("tag:yaml.org,2002:str", text, style=style)


_Dumper.add_representer(str, _represent)


def dump(value: object) -> str:
    """Plain data as YAML that `parse` reads back to the same."""
    return yaml.dump(value, Dumper=_Dumper, sort_keys=False, allow_unicode=True, width=120)
