"""Inspecting what a recipe describes, without its data."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import torch
from torch import nn

from gankit.core.errors import BuildError, RecipeError
from gankit.core.recipe import Recipe
from gankit.inspect.check import Played, check
from gankit.inspect.summary import Shape, Summary, on_meta, summarize
from gankit.methods.turns import TurnModule
from gankit.training.assemble import Assembled, assemble, check_pictures, prepare, turn_fields
from gankit.training.optimizers import OptimizerConfig, state_bytes

T = TypeVar("T")

SIDE = 256
"""Of the pictures, in pixels, when the recipe's data set does not say."""


def summarize_recipe(recipe: Recipe, costs: bool = True) -> Summary:
    """Measure what a recipe describes; nothing is allocated. costs: see `summarize`. Raises RecipeError."""
    parts = _assemble_on_meta(recipe)
    pictures = pictures_of(parts)
    train = recipe.train

    def optimizer(turn: TurnModule, parameters: list[nn.Parameter]) -> int:
        return state_bytes(OptimizerConfig(**train.optimizer_of(turn.turn.name).model_dump()), parameters)

    extras = {"ema": train.ema is not None, "checkpoint_activations": train.checkpoint_activations}
    return _blaming(recipe, lambda: summarize(parts.method, parts.terms, pictures, optimizer, costs=costs, **extras))


def check_recipe(recipe: Recipe) -> list[Played]:
    """Play real steps; see `gankit.inspect.check`. Raises RecipeError and TrainingError."""
    torch.manual_seed(recipe.train.seed)
    parts = assemble(recipe)
    prepare(parts)
    return _blaming(recipe, lambda: check(parts, pictures_of(parts)))


def pictures_of(parts: Assembled) -> dict[str, Shape]:
    """The fields of a batch that the losses need -> (N, C, H, W). Raises RecipeError when the size suits no network."""
    recipe = parts.recipe
    side = _side(recipe)[1]
    shapes: dict[str, Shape] = {}
    for field in sorted(set().union(*(turn_fields(turn) for turn in parts.turns))):
        channels = 1 if field.startswith("mask") else getattr(recipe.method, f"channels_{field}", 3)
        shapes[field] = (recipe.train.batch_size, channels, side, side)
    check_pictures(parts, {field: torch.empty(shape[1:], device="meta") for field, shape in shapes.items()})
    return shapes


def _side(recipe: Recipe) -> tuple[str, int]:
    """The option of the data set that sets the side of a picture in pixels, and its value."""
    for name in ("crop_size", "size"):
        if isinstance(value := getattr(recipe.data, name, None), int):
            return name, value
    return "type", SIDE


def _assemble_on_meta(recipe: Recipe) -> Assembled:
    try:
        with torch.device("meta"):
            return assemble(recipe)
    except RecipeError:
        parts = assemble(recipe)  # a part that cannot be made without numbers; or the recipe is wrong, and this raises
        parts.method = on_meta(parts.method)
        return parts


def _blaming(recipe: Recipe, play: Callable[[], T]) -> T:
    """What networks refuse about their input is the recipe's mistake."""
    name, side = _side(recipe)
    try:
        return play()
    except (ValueError, IndexError, RuntimeError) as e:
        text = f"the method does not run on pictures of {side} x {side} px: {e}"
        raise recipe.error(BuildError(("data", name), text)) from e
