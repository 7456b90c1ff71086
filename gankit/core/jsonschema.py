"""One JSON Schema (draft 7) of all recipes, for editors: names, keys, types, bounds, hover texts.

It is derived from the same models that check a recipe. It imports every component.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from gankit.core.errors import ComponentError
from gankit.core.recipe import Recipe, TermSlot
from gankit.core.registry import KINDS
from gankit.core.schema import Slot, Spec, Typed

WITHOUT_TYPE = {"type": "object", "not": {"required": ["type"]}}
DRAFT = "http://json-schema.org/draft-07/schema#"


def recipe_schema() -> tuple[dict[str, Any], list[str]]:
    """The schema, and a line for each component that could not be imported and is left out."""
    schema, left_out = _of_model(Recipe), []
    definitions = schema.setdefault("$defs", {})
    slots: Iterable[Slot] = [TermSlot("loss"), *map(Slot, KINDS)]
    for slot in slots:
        definitions[slot.definition] = _of_slot(slot, definitions, left_out)
    by_turn = definitions["Train"]["properties"]["optimizers"]  # without a `type` they change the main one's settings
    by_turn["additionalProperties"] = {"anyOf": [by_turn["additionalProperties"], WITHOUT_TYPE]}
    schema = {"$schema": DRAFT, **schema, "title": "gankit recipe"}
    schema["required"] = [name for name in schema["required"] if name != "name"]  # a recipe is named after its file
    return schema, sorted(set(left_out))


def _of_slot(slot: Slot, definitions: dict[str, Any], left_out: list[str]) -> dict[str, Any]:
    """A name, or a mapping whose constant `type` chooses the rest."""
    names, choices = [], []
    for name in slot.names():
        try:
            model = slot.model(name)
        except ComponentError as e:
            left_out.append(str(e))
            continue
        schema = _of_model(model)
        definitions.update(schema.pop("$defs", {}))
        schema["properties"]["type"] = {"const": name}
        schema["required"] = ["type", *(key for key in schema.get("required", []) if key != "type")]
        definitions[f"{slot.definition}.{name.replace('/', '.')}"] = {**schema, "title": name, **_about(model)}
        names.append(name)
        choices.append({"$ref": f"#/$defs/{slot.definition}.{name.replace('/', '.')}"})
    in_full: dict[str, Any] = {"type": "string", "pattern": "/"}  # gankit-cut/patchnce: checked by `gankit build`
    mapping = {"type": "object", "properties": {"type": in_full}, "required": ["type"]}
    return {"anyOf": [{"enum": names}, in_full, *choices, mapping]}


def _about(model: type[Typed]) -> dict[str, str]:
    if issubclass(model, Spec) and model.entry.summary:
        return {"description": model.entry.summary}
    return {}


class _Draft7(GenerateJsonSchema):
    """Defaults that JSON cannot say are left out."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}


def _of_model(model: type[BaseModel]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _draft7(model.model_json_schema(mode="validation", schema_generator=_Draft7))


def _draft7(node: Any) -> Any:
    """Markers become references; tuples as draft 7 has them; nothing stands beside a $ref."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: value if key in ("default", "const", "enum") else _draft7(value) for key, value in node.items()}
    if "x-slot" in node:
        node = _reference(node)
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")
        node["additionalItems"] = False
    if "$ref" in node and len(node) > 1:
        node = {"allOf": [{"$ref": node.pop("$ref")}], **node}
    return node


def _reference(node: dict[str, Any]) -> dict[str, Any]:
    ref = {"$ref": f"#/$defs/{node.pop('x-slot')}"}
    if isinstance(node.get("default"), dict | str):  # a mapping without `type` is about the default
        return {"anyOf": [ref, WITHOUT_TYPE], **node}
    return {**ref, **node}
