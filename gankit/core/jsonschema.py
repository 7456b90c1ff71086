"""One JSON Schema (draft 7) of all recipes, for editors: names, keys, types, bounds, hover texts.

It is derived from the same models that check a recipe. It imports every component.
"""

from __future__ import annotations

import re
import warnings
from collections.abc import Iterable
from typing import Any

from pydantic import BaseModel
from pydantic.json_schema import GenerateJsonSchema

from gankit.core.errors import ComponentError
from gankit.core.listing import docstrings
from gankit.core.recipe import Recipe
from gankit.core.registry import KINDS
from gankit.core.schema import Slot, Spec, Typed
from gankit.core.sections import About, Evaluate, Measure, TermSlot, Train

WITHOUT_TYPE = {"type": "object", "not": {"required": ["type"]}}
DRAFT = "http://json-schema.org/draft-07/schema#"
BOUNDS = {"ge": "minimum", "le": "maximum", "gt": "exclusiveMinimum", "lt": "exclusiveMaximum"}
"""pydantic's words, which it leaves where a validator of ours stands before a number, and those of JSON Schema."""
NAMED = re.compile(r"(?:^|(?<=[.;:)`] ))(\w+(?:, \w+)*): ")
"""Where a docstring begins to speak of parameters."""


def recipe_schema() -> tuple[dict[str, Any], list[str]]:
    """The schema, and a line for each component that could not be imported and is left out."""
    schema, left_out = _of_model(Recipe), []
    definitions = schema.setdefault("$defs", {})
    slots: Iterable[Slot] = [TermSlot("loss"), *map(Slot, KINDS)]
    for slot in slots:
        definitions[slot.definition] = _of_slot(slot, definitions, left_out)
    by_turn = definitions["Train"]["properties"]["optimizers"]  # without a `type` they change the main one's settings
    by_turn["additionalProperties"] = {"anyOf": [by_turn["additionalProperties"], WITHOUT_TYPE]}
    for model in (Recipe, Train, Evaluate, Measure, About):
        _describe(schema if model is Recipe else definitions[model.__name__], model)
    schema = {"$schema": DRAFT, **schema, "title": "gankit recipe"}
    schema["required"] = [name for name in schema["required"] if name != "name"]  # a recipe is named after its file
    return schema, sorted(set(left_out))


def _of_slot(slot: Slot, definitions: dict[str, Any], left_out: list[str]) -> dict[str, Any]:
    """A name, or a mapping whose constant `type` chooses the rest."""
    names, summaries, choices = [], [], []
    for name in slot.names():
        try:
            model = slot.model(name)
        except ComponentError as e:
            left_out.append(str(e))
            continue
        schema = _of_model(model)
        definitions.update(schema.pop("$defs", {}))
        _describe(schema, model)
        schema["properties"]["type"] = {"const": name, **_about(model)}
        schema["required"] = ["type", *(key for key in schema.get("required", []) if key != "type")]
        definitions[f"{slot.definition}.{name.replace('/', '.')}"] = {**schema, "title": name, **_about(model)}
        names.append(name)
        summaries.append(_about(model).get("description", ""))
        choices.append({"$ref": f"#/$defs/{slot.definition}.{name.replace('/', '.')}"})
    in_full: dict[str, Any] = {"type": "string", "pattern": "/"}  # gankit-cut/patchnce: checked by `gankit build`
    mapping = {"type": "object", "properties": {"type": in_full}, "required": ["type"]}
    named = {"enum": names, "enumDescriptions": summaries, "markdownEnumDescriptions": summaries}
    return {"anyOf": [named, in_full, *choices, mapping]}


def _about(model: type[Typed]) -> dict[str, str]:
    if issubclass(model, Spec) and model.entry.summary:
        return {"description": model.entry.summary}
    return {}


def _describe(schema: dict[str, Any], model: type[BaseModel]) -> None:
    """Say of each key what its field or the docstring of its part does; else whose it is; and which part stands there
    by default."""
    owner, kind = (model.entry.make, model.entry.kind) if issubclass(model, Spec) else (model, "the key")
    told: dict[str, str] = {}
    for text in reversed([*docstrings(owner)]):  # what a class says itself counts before what a base of it says
        told |= parameters_told(text, schema["properties"])
    for name, node in schema["properties"].items():
        text = node.get("description") or told.get(name) or f"of {kind} `{schema['title']}`"
        by_default = node.pop("x-default", "")
        node["description"] = f"{text}; by default `{by_default}`" if by_default else text


def parameters_told(text: str, names: Iterable[str]) -> dict[str, str]:
    """What a docstring says of parameters: `name: text`, at the beginning of a line of `Args:` or of a sentence."""
    told: dict[str, str] = {}
    known = set(names)
    for paragraph in re.split(r"\n\s*\n|\n(?= +\w+(?:, \w+)*: )|Args:", text):
        line = " ".join(paragraph.split())
        marks = [m for m in NAMED.finditer(line) if known & set(m[1].split(", "))]
        ends = [*(m.start() for m in marks[1:]), len(line)]
        for mark, end in zip(marks, ends, strict=False):
            told |= dict.fromkeys(known & set(mark[1].split(", ")), line[mark.end() : end].strip().rstrip("."))
    return told


class _Draft7(GenerateJsonSchema):
    """Defaults that JSON cannot say are left out."""

    ignored_warning_kinds = {"skipped-choice", "non-serializable-default"}


def _of_model(model: type[BaseModel]) -> dict[str, Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return _draft7(model.model_json_schema(mode="validation", schema_generator=_Draft7))


def _draft7(node: Any) -> Any:
    """Markers become references; tuples, bounds and keys of any name as draft 7 and editors have them; nothing stands
    beside a $ref. Defaults that editors would write out at length are left out."""
    if isinstance(node, list):
        return [_draft7(item) for item in node]
    if not isinstance(node, dict):
        return node
    node = {key: value if key in ("default", "const", "enum") else _draft7(value) for key, value in node.items()}
    if "x-slot" in node:
        node = _reference(node)
    if node.get("type") in ("number", "integer"):
        node = {BOUNDS.get(key, key): value for key, value in node.items()}
    if isinstance(node.get("default"), dict) or node.get("default", ...) is None:
        del node["default"]
    if len(node.get("patternProperties") or ()) == 1 and "additionalProperties" not in node:
        ((pattern, value),) = node.pop("patternProperties").items()
        node |= {"propertyNames": {"pattern": pattern}, "additionalProperties": value}
    if "prefixItems" in node:
        node["items"] = node.pop("prefixItems")
        node["additionalItems"] = False
    if "$ref" in node and len(node) > 1:
        node = {"anyOf": [{"$ref": node.pop("$ref")}], **node}  # of an allOf editors complete the key without its colon
    return node


def _reference(node: dict[str, Any]) -> dict[str, Any]:
    ref = {"$ref": f"#/$defs/{node.pop('x-slot')}"}
    default = node.pop("default", None)
    if isinstance(default, dict | str):  # a mapping without `type` is about the default
        name = default if isinstance(default, str) else str(default.get("type", ""))
        return {"anyOf": [ref, WITHOUT_TYPE], **node, "x-default": name.removeprefix("gankit/")}
    return {**ref, **node}
