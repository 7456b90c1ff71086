"""From a recipe to objects: the method, the terms of its objective, the pictures."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from gankit.core.errors import BuildError
from gankit.core.recipe import Recipe
from gankit.core.schema import build_component
from gankit.features import untrained
from gankit.methods.base import Method
from gankit.methods.plan import Term, plan_turns
from gankit.methods.turns import TurnModule
from gankit.training.devices import Devices
from gankit.training.speed import chosen
from gankit.training.step import Stepper


@dataclass
class Assembled:
    """What a recipe describes: the method, its terms by name, the plan of each turn. Pictures open when asked for."""

    recipe: Recipe
    method: Method
    terms: dict[str, Term]
    turns: list[TurnModule]

    @cached_property
    def dataset(self) -> Any:
        return open_dataset(self.recipe)


def assemble(recipe: Any, sets: Sequence[str] = ()) -> Assembled:
    """Build what a recipe describes: a path, the name of a shipped one, a dict, or a Recipe.

    Weights are drawn from torch's global generator. Raises RecipeError with every mistake, also those that only
    show when the parts are put together (a loss whose tensors the method does not offer, say).
    """
    recipe = Recipe.load(recipe, sets)
    faults: list[BuildError] = []
    method = _attempt(faults, recipe.method, ("method",))
    losses = {name: _attempt(faults, term, ("losses", name)) for name, term in recipe.losses.items()}
    terms = {name: _term(recipe, name, loss) for name, loss in losses.items() if loss is not None}
    if method is not None:
        faults += _faults_of_plans(method, terms)
        faults += _faults_of_optimizers(method, recipe)
    if faults or method is None:
        raise recipe.error(*faults) from faults[0]
    try:
        return Assembled(recipe, method, terms, plan_turns(method, terms))
    except BuildError as error:
        raise recipe.error(error) from error


def build_method(recipe: Recipe) -> Method:
    """The method alone, without its losses, which a trained one does not need: their weights may be elsewhere. Raises
    RecipeError."""
    try:
        return build_component(recipe.method, ("method",))
    except BuildError as error:
        raise recipe.error(error) from error


def _attempt(faults: list[BuildError], spec: Any, path: tuple[str, ...]) -> Any:
    try:
        return build_component(spec, path)
    except BuildError as error:
        faults.append(error)
        return None


def _term(recipe: Recipe, name: str, loss: nn.Module) -> Term:
    envelope = recipe.losses[name]
    return Term(loss, envelope.weight, envelope.on, envelope.from_step, envelope.turn)


def _faults_of_plans(method: Method, terms: Mapping[str, Term]) -> list[BuildError]:
    """Each term is planned by itself, so that one report has the faults of all."""
    faults = []
    for name, term in terms.items():
        try:
            plan_turns(method, {name: term})
        except BuildError as error:
            faults.append(error)
    return faults


def _faults_of_optimizers(method: Method, recipe: Recipe) -> list[BuildError]:
    known = sorted({key for turn in method.turns() for key in (turn.name, turn.side)})
    return [
        BuildError(("train", "optimizers", name), f"no turn is called '{name}'; there are {', '.join(known)}")
        for name in recipe.train.optimizers
        if name not in known
    ]


def make_stepper(parts: Assembled, devices: Devices) -> Stepper:
    """What plays the turns, as the recipe's `train` says. Raises RecipeError for an optimizer that cannot be made, and
    for what this device or method cannot do."""
    train = parts.recipe.train
    if names := untrained({name: term.loss for name, term in parts.terms.items()}):
        text = "the recipe gives random weights to the backbone of %s: features that nobody has trained"
        logging.getLogger(__name__).warning(text, " and ".join(f"losses.{name}" for name in names))
    try:
        return Stepper(
            parts.method,
            parts.terms,
            optimizer=train.optimizer.model_dump(),
            optimizers={turn: optimizer.model_dump() for turn, optimizer in train.optimizers.items()},
            pool_size=train.pool_size,
            ema=train.ema,
            clip_norm=train.clip_norm,
            devices=devices,
            speed=chosen(train, devices.device.type),
        )
    except BuildError as error:
        raise parts.recipe.error(error) from error
    except ValueError as e:
        raise parts.recipe.error(BuildError(("train", "optimizer"), str(e))) from e


def open_dataset(recipe: Recipe) -> Any:
    """The data set of a recipe. Raises RecipeError, with its place, when the pictures are missing or unfit."""
    try:
        return build_component(recipe.data, ("data",))
    except BuildError as error:
        raise recipe.error(error) from error


def check_data(parts: Assembled) -> None:
    """Whether the pictures suit the networks. Raises RecipeError with the places of what to change."""
    prepare(parts)
    check_pictures(parts, parts.dataset.split("train").item(0, torch.Generator()))


def prepare(parts: Assembled) -> None:
    """Let the method read what it needs besides the batches. Raises RecipeError, at the method's parameter."""
    try:
        parts.method.prepare()
    except BuildError as error:
        raise parts.recipe.error(BuildError(("method", *error.path), error.message)) from error


def check_pictures(parts: Assembled, first: Mapping[str, Tensor]) -> None:
    """`check_data` for one item of the pictures, field -> (C, H, W)."""
    faults = [*_faults_of_fields(parts, first), *_faults_of_size(parts, first)]
    if faults:
        raise parts.recipe.error(*faults)


def _faults_of_fields(parts: Assembled, first: Mapping[str, Tensor]) -> list[BuildError]:
    faults, method = [], parts.recipe.method
    for field in sorted(set().union(*(turn_fields(turn) for turn in parts.turns))):
        wanted = getattr(method, f"channels_{field}", None)
        if field not in first:
            given = ", ".join(first) or "no picture"
            text = f"{parts.recipe.data.type} gives {given}, but the losses of {method.type} need `{field}`"
            faults.append(BuildError(("data", "type"), text))
        elif wanted is not None and first[field].shape[0] != wanted:
            found = first[field].shape[0]
            text = (
                f"the pictures of `{field}` have {found} channels and the networks take {wanted}: set this to {found}"
            )
            faults.append(BuildError(("method", f"channels_{field}"), text))
    return faults


def turn_fields(turn: TurnModule) -> set[str]:
    """The fields of a batch that a turn reads."""
    keys = [key for node in turn.plan for key in node.arguments]
    keys += [key for term in turn.terms for _, key in term.arguments]
    return {key.removeprefix("batch:") for key in keys if key.startswith("batch:")}


def _faults_of_size(parts: Assembled, first: Mapping[str, Tensor]) -> list[BuildError]:
    if not first:
        return []
    smallest = max((getattr(n, "min_size", 1) for n in parts.method.networks.values()), default=1)
    multiple = parts.method.size_multiple
    height, width = next(iter(first.values())).shape[-2:]
    size = f"its pictures are {width} x {height} px"
    only = next((side for n in parts.method.networks.values() if (side := getattr(n, "fixed_size", None))), None)
    if only and (height, width) != (only, only):
        return [BuildError(("data",), f"{size}, but these networks learn from {only} x {only} px only")]
    if min(height, width) < smallest:
        return [BuildError(("data",), f"{size}, but the networks need at least {smallest} px: make them larger")]
    if height % multiple or width % multiple:
        return [BuildError(("data",), f"{size}, but these generators learn from multiples of {multiple} px only")]
    return []
