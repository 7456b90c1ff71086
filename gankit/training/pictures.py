"""What the losses need of a batch, and whether the data give it."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import torch
from torch import Tensor

from gankit.contracts import DatasetContract, NetworkContract
from gankit.core.errors import BuildError, DataError
from gankit.fields import Field, Picture, Segmentation
from gankit.methods.base import Method
from gankit.methods.resolve import Resolver
from gankit.methods.turns import PlannedTerm, TurnModule, carried_keys
from gankit.training.assemble import Assembled


@dataclass(frozen=True)
class Batch:
    """A batch to come: what its fields are, how many items it has, and the (height, width) of its pictures."""

    fields: Mapping[str, Field]
    count: int
    size: tuple[int, int]

    def drawn(self) -> dict[str, Tensor]:
        """Random values, from torch's global generator."""
        return {name: field.draw(self.count, self.size) for name, field in self.fields.items()}

    def empty(self) -> dict[str, Tensor]:
        """On the meta device: shapes without numbers."""
        return {name: field.empty(self.count, self.size) for name, field in self.fields.items()}


def check_data(parts: Assembled) -> Batch:
    """Whether the pictures suit the networks; the batch that a step gets. Raises RecipeError with the places of what to
    change."""
    prepare(parts)
    train = parts.dataset.split("train")
    _check_splits(parts)
    if (declared := DatasetContract(train).fields) is None:
        text = f"{parts.recipe.data.type} does not say what its items hold: give the data set `fields`"
        raise parts.recipe.error(BuildError(("data", "type"), text))
    first = train.item(0, torch.Generator())
    spatial = next((x.shape[-2:] for name, x in first.items() if name in declared and declared[name].spatial), None)
    size = None if spatial is None else (spatial[0], spatial[1])
    check_fields(parts, declared, size)
    return Batch(fields_of(parts), parts.recipe.train.batch_size, size or (1, 1))


def _check_splits(parts: Assembled) -> None:
    """Look for the pictures that figures are measured on, before the training: raise DataError where those are missing
    that it needs, and say so where they are for its end."""
    if (measure := parts.recipe.train.measure) is not None:
        parts.dataset.split(measure.split)
    try:
        parts.dataset.split("test")
    except DataError as error:
        logging.getLogger(__name__).warning("the run will not be measured at its end: %s", error)


def prepare(parts: Assembled) -> None:
    """Let the method read what it needs besides the batches. Raises RecipeError, at the method's parameter."""
    try:
        parts.method.prepare()
    except BuildError as error:
        raise parts.recipe.error(BuildError(("method", *error.path), error.message)) from error


def fields_of(parts: Assembled) -> dict[str, Field]:
    """The fields of a batch that the losses need. Raises RecipeError where nothing says what one is."""
    names = sorted(set().union(*(fields_of_turn(parts.method, turn) for turn in parts.turns)))
    said = {name: kind for term in _terms(parts) for name, kind in term.fields.items()}
    try:
        return {name: said.get(name) or parts.method.kind_of(name) for name in names}
    except BuildError as error:
        raise parts.recipe.error(BuildError(("method", "type"), error.message)) from error


def _terms(parts: Assembled) -> list[PlannedTerm]:
    return [term for turn in parts.turns for term in turn.terms]


def check_fields(parts: Assembled, declared: Mapping[str, Field], size: tuple[int, int] | None) -> None:
    """`check_data` for data of these fields, whose pictures are of (height, width) `size`; None: it has none."""
    faults = _faults_of_fields(parts, declared)
    if size is not None:
        faults += _faults_of_size(parts, *size)
    if faults:
        raise parts.recipe.error(*faults)


def _faults_of_fields(parts: Assembled, declared: Mapping[str, Field]) -> list[BuildError]:
    faults, method, data = [], parts.recipe.method, parts.recipe.data.type
    terms = {(term.name, name): kind for term in _terms(parts) for name, kind in term.fields.items()}
    for name, wanted in fields_of(parts).items():
        field = declared.get(name)
        if field is None:
            names = ", ".join(declared) or "no picture"
            text = f"{data} gives {names}, but the losses of {method.type} need `{name}`, {wanted.words}"
            faults.append(BuildError(("data", "type"), text + _remedy(parts, name, wanted)))
        elif not wanted.accepts(field) and not any(taken == name for _, taken in terms):
            faults.append(_fault_of_kind(parts, name, wanted, field))
    for (loss, name), kind in terms.items():
        if (field := declared.get(name)) is not None and not kind.accepts(field):
            text = f"it takes `{name}` as {kind.words}, but that of {data} is {field.words}"
            faults.append(BuildError(("losses", loss), text))
    return faults


def _remedy(parts: Assembled, name: str, wanted: Field) -> str:
    """How data of this kind are made to hold a map, as `segmentation_a` on pictures of a, where they can."""
    parameter = f"classes_{name.rpartition('_')[2]}"
    if not isinstance(wanted, Segmentation) or parameter not in type(parts.recipe.data).model_fields:
        return ""
    return f": set data.{parameter} to {wanted.classes}, or keep the loss to the direction that has maps, by `weight`"


def _fault_of_kind(parts: Assembled, name: str, wanted: Field, found: Field) -> BuildError:
    method, data = parts.recipe.method, parts.recipe.data.type
    for kind, parameter in ((Segmentation, f"classes_{name}"), (Picture, f"channels_{name}")):
        if isinstance(found, kind) and parameter in type(method).model_fields:
            what, planes = parameter.partition("_")[0], wanted.shape((1, 1))[0]
            text = f"the pictures of `{name}` have {found.planes} {what} and the networks take {planes}: "
            return BuildError(("method", parameter), f"{text}set this to {found.planes}")
    return BuildError(("method",), f"it takes `{name}` as {wanted.words}, but that of {data} is {found.words}")


def fields_of_turn(method: Method, turn: TurnModule) -> set[str]:
    """The fields of a batch that a turn reads, or that are read to make for it what no other turn has made."""
    keys = [key for node in turn.plan for key in node.arguments]
    keys += [key for term in turn.terms for _, key in term.arguments]
    resolver, carried = Resolver(method, ()), carried_keys(method)
    for name, direction in (carried[key] for key in turn.needs):
        keys += resolver.behind[resolver.resolve(name, direction)]
    return {key.removeprefix("batch:") for key in keys if key.startswith("batch:")}


def _faults_of_size(parts: Assembled, height: int, width: int) -> list[BuildError]:
    smallest = max((NetworkContract(n).min_size for n in parts.method.networks.values()), default=1)
    multiple = parts.method.size_multiple
    size = f"its pictures are {width} x {height} px"
    only = next((side for n in parts.method.networks.values() if (side := NetworkContract(n).fixed_size)), None)
    if only and (height, width) != (only, only):
        return [BuildError(("data",), f"{size}, but these networks learn from {only} x {only} px only")]
    if min(height, width) < smallest:
        return [BuildError(("data",), f"{size}, but the networks need at least {smallest} px: make them larger")]
    if height % multiple or width % multiple:
        return [BuildError(("data",), f"{size}, but these generators learn from multiples of {multiple} px only")]
    return []
