"""YAML with places: scalars of YAML 1.2, and every document that is refused."""

from __future__ import annotations

import math
import string
from collections.abc import Callable
from typing import Any

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from gankit.core.document import MAX_BYTES, MAX_NODES, Document, Node, Text, assign, decode, dump, from_data, parse
from gankit.core.errors import RecipeError


def load(text: str) -> Any:
    return parse(Text("x", text)).data()


def refusal(text: str) -> str:
    with pytest.raises(RecipeError) as caught:
        load(text)
    return str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-4", 1e-4),
        ("1E5", 1e5),
        ("-.5", -0.5),
        ("1.", 1.0),
        ("012", 12),
        ("0o17", 15),
        ("0xff", 255),
        ("+3", 3),
        ("no", "no"),
        ("on", "on"),
        ("1:30", "1:30"),
        ("2020-01-01", "2020-01-01"),
        ("1_000", "1_000"),
        ("True", True),
        ("FALSE", False),
        ("~", None),
        ("", None),
        ("-.inf", -math.inf),
        ('"5"', "5"),
        ("'true'", "true"),
        ("1806.02311", 1806.02311),
    ],
)
def test_scalars_are_those_of_yaml_1_2(text: str, value: Any) -> None:
    found = load(f"a: {text}")["a"]
    assert found == value
    assert type(found) is type(value)


def test_nan() -> None:
    assert math.isnan(load("a: .nan")["a"])


def test_anchors_aliases_and_merge() -> None:
    data = load("a: &a {x: 1, y: 2}\nb: *a\nc: {<<: *a, y: 3}\nd: {<<: [{z: 1}, {z: 2, w: 3}]}\n")
    assert data["b"] == {"x": 1, "y": 2}
    assert data["c"] == {"x": 1, "y": 3}
    assert data["d"] == {"z": 1, "w": 3}


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a: 1\na: 2\n", "x:2:1: the key `a` appears twice: first in line 1\n    a: 2\n    ^"),
        ("a: &a [*a]", "x:1:8: the alias *a contains itself"),
        ("a: &a {b: *a}", "the alias *a contains itself"),
        ("a: *b", "the alias *b has no anchor &b before it"),
        ("a: !!python/object/apply:os.system [ls]", "a recipe may not have tags"),
        ("a: !!str 5", "a recipe may not have tags"),
        ("[a, b]: 1", "a key must be a word"),
        ("? {a: 1}\n: 2", "a key must be a word"),
        ("&k a: &k b\n*k : 1", "an anchor belongs to a value"),
        ("<<: 3", "`<<` takes a mapping"),
        ("a: 1\n--- \nb: 2", "a recipe must be one document"),
        ("a: b: c", "x:1:5: is not YAML: mapping values are not allowed here"),
        ("a:\n\tb: 1", "a tab; indent with spaces"),
        ("a: [1, 2", "is not YAML"),
        ("a: 'open", "is not YAML"),
        ("a: \x00", "x:1:4: the character '\\x00' has no place in YAML"),
        ("\n".join(["a: 1"] * 100), "and so on: this is not a recipe"),
        ("a: " + "9" * 5000, "has too many digits"),
        ("[" * 10_000, "is nested deeper than 40 levels"),
        ("{a: " * 10_000, "is nested deeper than 40 levels"),
        ("- " * 10_000, "is nested deeper than 40 levels"),
    ],
)
def test_refused_documents(text: str, message: str) -> None:
    assert message in refusal(text)


def test_all_duplicate_keys_are_reported() -> None:
    assert refusal("a: 1\nb: {c: 1, c: 2}\na: 2\n").count("appears twice") == 2


def test_a_small_bomb_of_aliases_is_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{i}: &a{i} [{', '.join([f'*a{i - 1}'] * 9)}]" for i in range(1, 9)]
    assert "counting aliases" in refusal("\n".join(lines))


def test_many_values_are_refused_before_they_are_read() -> None:
    assert "counting aliases" in refusal("[" + "1," * (MAX_NODES + 1) + "]")


def test_bytes_that_are_no_text() -> None:
    for raw, message in ((b"a: \xff\n", "line 1 is not UTF-8"), (b"x" * (MAX_BYTES + 1), "larger than 256 kB")):
        with pytest.raises(RecipeError, match=message):
            decode(raw, "x")
    assert decode("\ufeffa: é\r\nb: 1".encode(), "x") == "a: é\nb: 1"


words = st.text(string.ascii_letters + "é中 ", min_size=1, max_size=8)
scalars = st.none() | st.booleans() | st.integers(-(2**40), 2**40) | st.floats(allow_nan=False) | words
trees = st.recursive(scalars, lambda t: st.lists(t, max_size=3) | st.dictionaries(words, t, max_size=3), max_leaves=12)


@given(st.dictionaries(words, trees, max_size=4), st.booleans())
def test_what_yaml_writes_is_read_back(data: dict[str, Any], flow: bool) -> None:
    text = yaml.dump(data, Dumper=yaml.SafeDumper, default_flow_style=flow, allow_unicode=True)
    assert load(text) == (data or {})


@given(st.text(max_size=200) | st.text("[]{}:,-&*!|>'\"%@`?#\n\t ab1.", max_size=60))
def test_any_text_is_read_or_refused_with_a_place(text: str) -> None:
    try:
        node = parse(Text("x", text))
    except RecipeError as e:
        lines = (
            text.replace("\r", "\n").count("\n") + text.count("\x85") + text.count("\u2028") + text.count("\u2029") + 1
        )
        assert all(1 <= p.line <= lines + 1 and p.col >= 1 for p in e.problems)
    else:
        node.data()


@given(st.binary(max_size=200))
def test_any_bytes_are_text_or_refused(raw: bytes) -> None:
    try:
        text = decode(raw, "x")
    except RecipeError:
        return
    assert isinstance(text, str)


@given(st.dictionaries(words, trees, min_size=1, max_size=4))
def test_every_value_has_the_place_where_it_stands(data: dict[str, Any]) -> None:
    text = Text("x", yaml.dump(data, Dumper=yaml.SafeDumper, allow_unicode=True, width=10**6))
    document = Document(parse(text), text)
    lines = text.text.split("\n")
    for key in data:
        problem = document.problem((key,), "m", at_key=True)
        assert lines[problem.line - 1][problem.col - 1 :].lstrip("'\"? ").startswith(key.strip()[:1])


@pytest.fixture
def assigned() -> Callable[..., Any]:
    def run(data: Any, option: str) -> Any:
        root = from_data(data)
        assign(root, option)
        return root.data()

    return run


@pytest.mark.parametrize(
    ("data", "option", "expected"),
    [
        ({}, "a.b=1e-3", {"a": {"b": 1e-3}}),
        ({"a": "name"}, "a.b=2", {"a": {"type": "name", "b": 2}}),
        ({"a": [1, 2]}, "a.1=x", {"a": [1, "x"]}),
        ({"a": [{"b": 1}]}, "a.0.b=[1, {c: 2}]", {"a": [{"b": [1, {"c": 2}]}]}),
        ({"a": {"b": 1}}, "a=", {"a": ""}),
        ({"a": None}, "a.b=x=y", {"a": {"b": "x=y"}}),
    ],
)
def test_assign(assigned: Callable[..., Any], data: Any, option: str, expected: Any) -> None:
    assert assigned(data, option) == expected


@pytest.mark.parametrize(
    ("option", "message"),
    [
        ("a", "--set: should look like `a.b=value`\n    --set a\n          ^"),
        ("a..b=1", "should look like"),
        ("=1", "should look like"),
        ("a.5=1", "the list has 2 items: there is no '5'\n    --set a.5=1\n            ^"),
        ("n.x=1", "n holds a value, not a mapping"),
        (f"a.{'9' * 5000}=1", "the list has 2 items"),
        ("a.0=[1", "--set: is not YAML while parsing a flow sequence"),
        ("a.0=a: b: c", "\n    --set a.0=a: b: c\n                  ^"),
        ("b={x: 1, x: 2}", "--set: the key `x` appears twice"),
    ],
)
def test_assign_refuses(assigned: Callable[..., Any], option: str, message: str) -> None:
    with pytest.raises(RecipeError) as caught:
        assigned({"a": [1, 2], "n": 3}, option)
    assert message in str(caught.value)


def test_assign_to_what_is_no_mapping_is_left_to_the_reader() -> None:
    for data in (None, [], "text"):
        root = from_data(data)
        assign(root, "a.b=1")
        assert root.data() == data


def test_assign_leaves_other_uses_of_an_alias_alone() -> None:
    root = parse(Text("x", "a: &a {n: {x: 1}}\nb: *a\n"))
    assign(root, "a.n.x=2")
    assert root.data() == {"a": {"n": {"x": 2}}, "b": {"n": {"x": 1}}}


NUMBERS = ["2e4", "0o777", "0x1F", "1e+05", ".5", "1.", ".inf", "-.NaN", "1:30", "0b1", "1_000"]
WORDS = ["no", "null", "~", "", "<<", "- a", "a: b", "#a", "---", "'", '"', "é 漢 😀", "word " * 80]
SPACES = ["\n", "a\n", " a", "\t", "\x85", "x\u2028", "\ufeff", "\x7f"]


@pytest.mark.parametrize("text", [*NUMBERS, *WORDS, *SPACES])
def test_what_is_dumped_is_read_back(text: str) -> None:
    for data in ({"a": text}, {"a": [text, {"b": text}]}, {text: 1}):
        assert parse(Text("", dump(data))).data() == data


def test_numbers_are_read_back() -> None:
    data = {"a": [1e-5, 1e20, 5e-324, -0.0, 10**15, True, None, 1.5]}
    assert parse(Text("", dump(data))).data() == data


def test_an_option_is_no_deeper_than_a_file() -> None:
    with pytest.raises(RecipeError, match="nested deeper than 40 levels"):
        assign(Node({}), ".".join("a" * 900) + "=1")
