"""Editors: what the JSON Schema gives them, and what yaml-language-server makes of it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from gankit.core.builtins import BUILTINS
from gankit.core.catalogue import catalogue
from gankit.core.jsonschema import parameters_told, recipe_schema
from tests.editor import SERVER, Editor, editor

HEAD = "gankit: 1\n"
RESNET = HEAD + "method:\n  type: cyclegan\n  generator:\n    type: resnet\n"
ADAM = HEAD + "train:\n  optimizer:\n    type: adam\n"
needs_server = pytest.mark.skipif(SERVER is None, reason="yaml-language-server is not installed")


@pytest.fixture(scope="module")
def schema() -> dict[str, Any]:
    catalogue.cache_clear()
    schema, _ = recipe_schema()
    catalogue.cache_clear()
    return schema


@pytest.fixture(scope="module")
def server(schema: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Editor]:
    folder = tmp_path_factory.mktemp("editor")
    (folder / "recipe.schema.json").write_text(json.dumps(schema), encoding="utf-8")
    with editor(Path(folder)) as started:
        yield started


# -- the schema --------------------------------------------------------------------------------------------------------
def nodes(node: Any) -> Iterator[dict[str, Any]]:
    if isinstance(node, dict):
        yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from nodes(child)


def test_bounds_are_words_of_json_schema(schema: dict[str, Any]) -> None:
    lr = schema["$defs"]["optimizer.adam"]["properties"]["lr"]
    assert lr["exclusiveMinimum"] == 0
    beta = schema["$defs"]["optimizer.adam"]["properties"]["betas"]["items"][0]
    assert (beta["minimum"], beta["exclusiveMaximum"]) == (0, 1)
    assert not [node for node in nodes(schema) if {"ge", "le", "gt", "lt", "x-default"} & set(node)]


def test_every_key_and_every_name_has_a_description(schema: dict[str, Any]) -> None:
    for name, definition in {"recipe": schema, **schema["$defs"]}.items():
        mute = [key for key, node in definition.get("properties", {}).items() if not node.get("description")]
        assert not mute, name
        for choice in definition.get("anyOf", []):
            if "enum" in choice:
                assert all(choice["enumDescriptions"]) and len(choice["enumDescriptions"]) == len(choice["enum"])


def test_every_argument_of_what_ships_is_described_by_its_docstring(schema: dict[str, Any]) -> None:
    for kind, name, *_ in BUILTINS:
        keys = schema["$defs"][f"{kind}.{name}"].get("properties", {})
        mute = [key for key, node in keys.items() if node["description"].startswith(f"of {kind} `")]
        assert not mute, f"{kind} {name}"


def test_no_default_is_written_out_at_length(schema: dict[str, Any]) -> None:
    assert not [node for node in nodes(schema) if isinstance(node.get("default"), dict) and "type" in node["default"]]


def test_what_a_docstring_says_of_parameters() -> None:
    lines = ("A part. a: the first. b, c: others;", "    more of them.", "", "    Args:", "        d: one")
    text = "\n".join((*lines, "            of two.", "        e: last."))
    told = parameters_told(text, ["a", "b", "c", "d", "e", "f"])
    assert told == {
        "a": "the first",
        "b": "others; more of them",
        "c": "others; more of them",
        "d": "one of two",
        "e": "last",
    }


# -- the server --------------------------------------------------------------------------------------------------------
def text_of(item: dict[str, Any]) -> str:
    about = item.get("documentation") or ""
    return about["value"] if isinstance(about, dict) else about


@needs_server
@pytest.mark.parametrize(
    ("document", "some"),
    [
        (HEAD + "losses:\n  x: |\n", {"lsgan", "cycle", "perceptual"}),
        (HEAD + "losses:\n  x: {type: |}\n", {"lsgan", "cycle"}),
        (RESNET + "    norm: |\n", {"adalin", "instance"}),
        (RESNET + "    |\n", {"blocks", "channels", "norm"}),
        (ADAM + "    |\n", {"lr", "betas"}),
        (HEAD + "train:\n  |\n", {"epochs", "batch_size", "optimizer"}),
    ],
)
def test_completions_are_described_and_short(server: Editor, document: str, some: set[str]) -> None:
    items = server.completions(document)
    assert some <= {item["label"] for item in items}
    assert not [item["label"] for item in items if not text_of(item)]
    long = [item["label"] for item in items if item.get("insertText", "").count("\n") > 2]
    assert not long, "a snippet of many lines"


@needs_server
def test_the_keys_of_a_recipe_are_completed_with_their_colons(server: Editor) -> None:
    texts = {item["label"]: item["insertText"] for item in server.completions(HEAD + "|\n")}
    assert {"method", "losses", "data", "train"} <= set(texts)
    assert all(text.startswith(f"{key}:") for key, text in texts.items() if key != "gankit recipe")
    assert len(texts["gankit recipe"].splitlines()) <= 5  # all required keys, without what is in them


@needs_server
@pytest.mark.parametrize(
    ("document", "told"),
    [
        (RESNET + "    blo|cks: 3\n", "residual blocks"),
        (RESNET + "    norm: ada|lin\n", "LIN whose scale and shift"),
        (HEAD + "train:\n  batch|_size: 3\n", "items of a step"),
    ],
)
def test_hovers_say_what_a_key_is(server: Editor, document: str, told: str) -> None:
    assert told in server.hover(document)


@needs_server
def test_bounds_are_checked(server: Editor) -> None:
    problems = server.problems(HEAD + "train: {steps: 3, optimizer: {type: adam, lr: -1}}\n")
    assert any("below the exclusive minimum of 0" in problem for problem in problems)
