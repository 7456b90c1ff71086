"""The Python interface; it mirrors the commands."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from gankit.methods.base import Method
from gankit.training.assemble import Assembled, assemble

__all__ = ["Assembled", "assemble", "build"]


def build(recipe: Any, sets: Sequence[str] = ()) -> Method:
    """The method that a recipe describes, as an `nn.Module` with its networks by `role_direction`; freshly drawn weights.

    recipe: a path, the name of a shipped one, a dict, or a Recipe. sets: changes, as `"train.steps=100"`.
    Raises RecipeError with every mistake and its place.
    """
    return assemble(recipe, sets).method
