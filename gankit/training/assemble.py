"""From a recipe to objects: the method, the terms of its objective, the pictures."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, TypeVar

from torch import nn

from gankit.augment.base import Augment
from gankit.callbacks.base import Callback
from gankit.codecs.base import Codec
from gankit.codecs.image import Image8
from gankit.core.errors import BuildError
from gankit.core.recipe import Recipe
from gankit.core.schema import build_component
from gankit.features import untrained
from gankit.methods.base import Method
from gankit.methods.plan import Term, plan_turns
from gankit.methods.turns import TurnModule
from gankit.slots import Schedule
from gankit.training.devices import Devices
from gankit.training.limits import NUMBERS, build_counted
from gankit.training.misfits import (
    faults_of_generators,
    faults_of_measuring,
    faults_of_optimizers,
    faults_of_plans,
    refuse_pool,
    unmet_conditions,
)
from gankit.training.rates import refuse_unknown_values
from gankit.training.seeds import untouched
from gankit.training.speed import chosen
from gankit.training.step import Stepper
from gankit.training.watch import rho_means

Part = TypeVar("Part")


@dataclass
class Assembled:
    """What a recipe describes: the method, its terms by name, the plan of each turn, who listens, what stands before
    critics. Pictures open when asked for."""

    recipe: Recipe
    method: Method
    terms: dict[str, Term]
    turns: list[TurnModule]
    callbacks: list[Callback]
    augments: list[Augment]

    @cached_property
    def dataset(self) -> Any:
        return open_dataset(self.recipe)

    def make_schedule(self) -> Schedule:
        """A new one: it may remember what it has heard in a training."""
        return build_component(self.recipe.train.schedule, ("train", "schedule"))


def assemble(recipe: Any, sets: Sequence[str] = ()) -> Assembled:
    """Build what a recipe describes: a path, the name of a shipped one, a dict, or a Recipe.

    Weights are drawn from torch's global generator. Raises RecipeError with every mistake, also those that only
    show when the parts are put together (a loss whose tensors the method does not offer, say).
    """
    recipe = Recipe.load(recipe, sets)
    faults: list[BuildError] = []
    unmet = unmet_conditions(recipe.method, ("method",))
    faults += unmet
    method = None if unmet else _attempt(faults, recipe.method, ("method",), build_counted)
    losses = {name: _attempt(faults, term, ("losses", name)) for name, term in recipe.losses.items()}
    terms = {name: _term(recipe, name, loss) for name, loss in losses.items() if loss is not None}
    callbacks = _parts(faults, recipe, "callbacks", Callback)
    augments = _parts(faults, recipe, "augments", Augment)
    schedule = _attempt(faults, recipe.train.schedule, ("train", "schedule"))
    faults += faults_of_measuring(recipe, callbacks, method)
    if method is not None:
        faults += faults_of_generators(method, recipe.method.entry)
        faults += faults_of_plans(method, terms)
        faults += faults_of_optimizers(method, recipe)
    if faults or method is None:
        raise recipe.error(*faults) from faults[0]
    try:
        turns = plan_turns(method, terms, augments)
        refuse_pool(recipe, turns)
        refuse_unknown_values(schedule, [term.key for turn in turns for term in turn.terms])
    except BuildError as error:
        raise recipe.error(error) from error
    return Assembled(recipe, method, terms, turns, callbacks, augments)


def build_method(recipe: Recipe, numbers: int = NUMBERS) -> Method:
    """The method alone, without its losses, which a trained one does not need: their weights may be elsewhere.

    numbers: how many weights it may have. Raises RecipeError.
    """
    try:
        return build_counted(recipe.method, ("method",), numbers)
    except BuildError as error:
        raise recipe.error(error) from error


def _attempt(
    faults: list[BuildError],
    spec: Any,
    path: tuple[str | int, ...],
    build: Callable[[Any, tuple[str | int, ...]], Any] = build_component,
) -> Any:
    try:
        return build(spec, path)
    except BuildError as error:
        faults.append(error)
        return None


def _parts(faults: list[BuildError], recipe: Recipe, key: str, base: type[Part]) -> list[Part]:
    """The parts that `train` lists. They leave the random state, from which weights are drawn, as it was."""
    parts = []
    for number, spec in enumerate(getattr(recipe.train, key)):
        path = ("train", key, number)
        with untouched():
            part = _attempt(faults, spec, path)
        if isinstance(part, base):
            parts.append(part)
        elif part is not None:
            faults.append(BuildError(path, f"{spec.type} does not derive from {base.__module__}.{base.__name__}"))
    return parts


def _term(recipe: Recipe, name: str, loss: nn.Module) -> Term:
    envelope = recipe.losses[name]
    return Term(loss, envelope.weight, envelope.on, envelope.from_step, envelope.turn, envelope.every)


def make_stepper(parts: Assembled, devices: Devices) -> Stepper:
    """What plays the turns, as the recipe's `train` says. Raises RecipeError for an optimizer that cannot be made, and
    for what this device or method cannot do."""
    train = parts.recipe.train
    if names := untrained({name: term.loss for name, term in parts.terms.items()}):
        text = "the recipe gives random weights to the backbone of %s: features that nobody has trained"
        logging.getLogger(__name__).warning(text, " and ".join(f"losses.{name}" for name in names))
    if "rho" in train.watch and not rho_means(parts.method):
        text = "train.watch: there is no rho to watch: no network of this method has adalin or lin as a norm"
        logging.getLogger(__name__).warning(text)
    try:
        return Stepper(
            parts.method,
            parts.terms,
            optimizer=build_component(train.optimizer, ("train", "optimizer")),
            optimizers=build_component(train.optimizers, ("train", "optimizers")),
            pool_size=train.pool_size,
            ema=train.ema,
            clip_norm=train.clip_norm,
            devices=devices,
            speed=chosen(train, devices.device.type),
            augments=parts.augments,
            turns=parts.turns,
            watch=train.watch,
        )
    except BuildError as error:
        raise parts.recipe.error(error) from error


def open_dataset(recipe: Recipe) -> Any:
    """The data set of a recipe. Raises RecipeError, with its place, when the pictures are missing or unfit."""
    try:
        return build_component(recipe.data, ("data",))
    except BuildError as error:
        raise recipe.error(error) from error


def open_codecs(recipe: Recipe) -> dict[str, Codec]:
    """How the pictures of each domain are read and written: as `codec` and `codec_b` of the recipe's data say, whether
    its pictures are here or not; as 8-bit pictures where it names none. Raises RecipeError where a library is missing.
    """
    named = dict(recipe.data)
    try:
        first, second = (build_component(named.get(key), ("data", key)) for key in ("codec", "codec_b"))
    except BuildError as error:
        raise recipe.error(error) from error
    first = first or Image8()
    return {"a": first, "b": second or first}
