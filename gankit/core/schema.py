"""A signature -> a pydantic model; slots; the JSON Schema of all recipes."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Slot:
    """`Annotated[..., Slot("norm")]`: a recipe fills this parameter with a component of that kind."""

    kind: str
