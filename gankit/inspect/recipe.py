"""Inspecting what a recipe describes, without its data."""

from __future__ import annotations

import torch
from torch import nn

from gankit.core.recipe import Recipe
from gankit.core.schema import build_component
from gankit.inspect.blame import blaming, side_of
from gankit.inspect.check import Played, check
from gankit.inspect.summary import Summary, state_bytes, summarize
from gankit.inspect.trial import assemble_on_meta, try_out
from gankit.methods.turns import TurnModule
from gankit.training.assemble import Assembled, assemble
from gankit.training.pictures import Batch, check_fields, fields_of, prepare


def summarize_recipe(recipe: Recipe, costs: bool = True) -> Summary:
    """Measure what a recipe describes; nothing is allocated. costs: see `summarize`. Raises RecipeError."""
    parts = assemble_on_meta(recipe)
    batch = batch_of(parts)
    train = recipe.train

    def optimizer(turn: TurnModule, parameters: list[nn.Parameter]) -> int:
        return state_bytes(build_component(train.optimizer_of(turn.turn.name, turn.turn.side)), parameters)

    extras = {"ema": train.ema is not None, "checkpoint_activations": train.checkpoint_activations}
    return blaming(parts, batch, lambda: summarize(parts.method, parts.terms, batch, optimizer, costs=costs, **extras))


def check_recipe(recipe: Recipe) -> list[Played]:
    """Play real steps, where a trial finds no mistake; see `gankit.inspect.check`. Raises RecipeError, for parameters
    too that learn from no loss, and TrainingError."""
    torch.manual_seed(recipe.train.seed)
    parts = assemble(recipe)
    prepare(parts)
    batch = batch_of(parts)
    if idle := try_out(recipe, batch):
        raise recipe.error(*idle)
    return blaming(parts, batch, lambda: check(parts, batch))


def batch_of(parts: Assembled) -> Batch:
    """The batch that the losses need. Raises RecipeError when the size suits no network."""
    side, fields = side_of(parts.recipe)[1], fields_of(parts)
    check_fields(parts, fields, (side, side) if any(field.spatial for field in fields.values()) else None)
    return Batch(fields, parts.recipe.train.batch_size, (side, side))
