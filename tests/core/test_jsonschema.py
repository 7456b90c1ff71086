"""The JSON Schema of recipes agrees with what `Recipe.load` takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft7Validator

from gankit.core.document import Text, parse
from gankit.core.jsonschema import recipe_schema
from gankit.core.registry import Registry
from tests.core.toys import recipe

RECIPES = sorted((Path(__file__).parents[2] / "recipes").glob("*.yaml"))


@pytest.fixture(scope="module")
def everything() -> dict[str, Any]:
    from gankit.core.catalogue import catalogue

    catalogue.cache_clear()
    schema, left_out = recipe_schema()
    catalogue.cache_clear()
    assert not left_out
    return schema


def test_it_is_draft_7_and_every_reference_leads_somewhere(everything: dict[str, Any]) -> None:
    Draft7Validator.check_schema(everything)
    text = json.dumps(everything)
    assert everything["$schema"] == "http://json-schema.org/draft-07/schema#"
    assert "prefixItems" not in text
    assert "x-slot" not in text
    refs = {piece.split('"')[0] for piece in text.split('"$ref": "#/$defs/')[1:]}
    assert refs <= set(everything["$defs"])


def test_a_kind_is_a_name_or_a_mapping_with_a_constant_type(everything: dict[str, Any]) -> None:
    names, _, *choices = everything["$defs"]["norm"]["anyOf"]
    assert {"adalin", "instance"} <= set(names["enum"])
    assert {"$ref": "#/$defs/norm.adalin"} in choices
    adalin = everything["$defs"]["norm.adalin"]
    assert adalin["properties"]["type"]["const"] == "adalin"
    assert adalin["required"] == ["type"]
    assert adalin["description"]


@pytest.mark.parametrize("path", RECIPES, ids=lambda p: p.stem)
def test_what_ships_is_accepted(everything: dict[str, Any], path: Path) -> None:
    data = parse(Text(path.name, path.read_text(encoding="utf-8"))).data()
    assert not list(Draft7Validator(everything).iter_errors(data))
    assert list(Draft7Validator(everything).iter_errors(data | {"metod": 1}))


@pytest.mark.parametrize(
    ("changes", "valid"),
    [
        ({}, True),
        ({"method": "toy"}, True),
        ({"method": {"type": "toy", "generator": {"blocks": 3}}}, True),
        ({"method": {"type": "toy", "amount": [1, 2]}}, True),
        ({"losses": {"a": "toyloss", "b": {"type": "toyloss", "weight": {"a2b": 2}}}}, True),
        ({"train": {"steps": 3, "optimizer": "sgd", "optimizers": {"discriminator": {"type": "adam", "lr": 1}}}}, True),
        ({"method": "tou"}, False),
        ({"method": {"type": "toy", "generator": {"type": "net", "blokcs": 3}}}, False),
        ({"method": {"type": "toy", "generator": {"type": "net", "channels": 0}}}, False),
        ({"method": {"type": "toy", "amount": [1, 2, 3]}}, False),
        ({"losses": {"a": {"type": "toyloss", "wieght": 1}}}, False),
        ({"losses": {"a": {"weight": 1}}}, False),
        ({"data": {"type": "pictures"}}, False),
        ({"train": {"steps": 3, "optimizer": {"type": "sgd", "betas": [0, 0]}}}, False),
    ],
)
def test_it_takes_what_loads_and_refuses_what_does_not(
    registry: Registry, changes: dict[str, Any], valid: bool
) -> None:
    from gankit.core.errors import RecipeError
    from gankit.core.recipe import Recipe

    # toys are `local/...`; the schema names what is not built in in full, and checks only that it is a name
    schema, _ = recipe_schema()
    text = json.dumps(recipe(**changes))
    for name in ("toy", "net", "toyloss", "pictures", "plain"):
        text = text.replace(f'"{name}"', f'"local/{name}"')
    data = json.loads(text) | {"name": "x"}
    assert (not list(Draft7Validator(_without_lenient(schema)).iter_errors(data))) is valid
    try:
        Recipe.load(data)
    except RecipeError:
        assert not valid
    else:
        assert valid


def _without_lenient(schema: dict[str, Any]) -> dict[str, Any]:
    """Without the alternative that lets any qualified name pass unchecked: its parts are described here."""
    text = {"type": "string", "pattern": "/"}
    for definition in schema["$defs"].values():
        if "anyOf" in definition:
            definition["anyOf"] = [
                choice
                for choice in definition["anyOf"]
                if choice != text and choice.get("properties", {}).get("type") != text
            ]
    return schema
