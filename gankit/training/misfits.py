"""What does not fit together in a recipe, each fault with its place, before anything is played."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from gankit.callbacks.base import Callback
from gankit.conditions import missing
from gankit.contracts import CallbackContract, GeneratorContract
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, Path
from gankit.core.recipe import Recipe
from gankit.core.registry import BUILTIN, Entry
from gankit.core.schema import Spec, parameters_of
from gankit.methods.base import Method
from gankit.methods.plan import Term, plan_turns
from gankit.methods.resolve import Bind
from gankit.methods.turns import TurnModule


def faults_of_plans(method: Method, terms: Mapping[str, Term]) -> list[BuildError]:
    """Each term is planned by itself, so that one report has the faults of all."""
    faults = []
    for name, term in terms.items():
        try:
            plan_turns(method, {name: term})
        except BuildError as error:
            faults.append(error)
    return faults


def faults_of_optimizers(method: Method, recipe: Recipe) -> list[BuildError]:
    known = sorted({key for turn in method.turns() for key in (turn.name, turn.side)})
    return [
        BuildError(("train", "optimizers", name), f"there is no turn called '{name}'; there are {', '.join(known)}")
        for name in recipe.train.optimizers
        if name not in known
    ]


def faults_of_measuring(recipe: Recipe, callbacks: Sequence[Callback], method: Method | None) -> list[BuildError]:
    """Callbacks that watch a figure which nothing measures, and a second one of a kind that keeps a checkpoint."""
    faults: list[BuildError] = []
    names = measured_names(recipe)
    for number, callback in enumerate(callbacks):
        contract = CallbackContract(callback)
        watched, direction = contract.watches, contract.direction
        place = ("train", "callbacks", number)
        if watched and recipe.train.measure is None:
            text = "it watches a figure that nothing measures: set `train.measure`, as `measure: {every: 500}`"
            faults.append(BuildError(place, text))
        elif watched and not any(is_of(watched, name) for name in names):
            text = f"`train.measure` does not measure '{watched}'; it can measure {', '.join(names)}"
            faults.append(BuildError((*place, "metric"), text))
        if direction and method is not None and direction not in method.directions:
            text = f"there is no direction '{direction}'; there are {', '.join(method.directions)}"
            faults.append(BuildError((*place, "direction"), text))
        if contract.may_keep and any(type(callback) is type(other) for other in callbacks[:number]):
            text = f"another `{recipe.train.callbacks[number].entry.name}` keeps a checkpoint already: let one decide"
            faults.append(BuildError(place, text))
    return faults


def measured_names(recipe: Recipe) -> list[str]:
    """The metrics that `train.measure` names; all that there are, of which the data decide, where it names none."""
    entries = [spec.entry for spec in recipe.train.measure.metrics] if recipe.train.measure else []
    return [e.name if e.source == BUILTIN else e.qualified for e in entries or catalogue().entries("metric")]


def is_of(row: str, metric: str) -> bool:
    """Whether the row of a figure is one of this metric: `kid-squeezenet` is of `kid`, `psnr#2` of `psnr`."""
    return row == metric or row.startswith((f"{metric}-", f"{metric}#"))


def faults_of_generators(method: Method, own: Entry) -> list[BuildError]:
    """A generator that takes noise in a method that translates, or that enlarges where it should not."""
    if (key := f"generator_{method.directions[0]}") not in method.networks:
        return []
    contract = GeneratorContract(method.networks[key])
    if contract.takes_noise and not method.draws:
        text = f"it makes pictures of noise, and {own.name} translates pictures: take one that does, such as resnet"
    elif contract.factor != method.scale:
        text = (
            f"it makes pictures {contract.factor} times as large as it is given, and {own.name} is to make them "
            f"{f'{method.scale} times as large' if method.scale > 1 else 'of the same size'}: take one that does"
        )
    else:
        return []
    return [BuildError(("method", "generator"), text)]


ASKING = ("norm", "attention", "discriminator")
"""Kinds whose forward is given conditions by a host that has them in a slot."""


def unmet_conditions(spec: Any, path: Path) -> list[BuildError]:
    """Where a norm, an attention head or a critic in the slot of another part asks for what it is not given there."""
    if isinstance(spec, list | tuple | dict):
        items = spec.items() if isinstance(spec, dict) else enumerate(spec)
        return [fault for key, value in items for fault in unmet_conditions(value, (*path, key))]
    if not isinstance(spec, Spec):
        return []
    faults = []
    for slot in parameters_of(spec.entry):
        part = getattr(spec, slot)
        hosted = isinstance(part, Spec) and part.entry.kind in ASKING and spec.entry.is_factory
        if hosted and (names := missing(part.entry.make, spec.entry.make, slot)):
            faults.append(BuildError((*path, slot), _not_passed_on(part.entry, spec.entry, names)))
        faults += unmet_conditions(part, (*path, slot))
    return faults


def _not_passed_on(part: Entry, host: Entry, names: list[str]) -> str:
    what, kinds = " and ".join(f"`{name}`" for name in names), catalogue().entries(host.kind)
    text = f"{part.kind} {part.name} asks for {what}, which {host.kind} {host.name} does not pass on here"
    others = [e.name for e in kinds if (slot := _slot_for(e, part.kind)) and not missing(part.make, e.make, slot)]
    return text + (f"; {' and '.join(others)} {'does' if len(others) == 1 else 'do'}" if others else "")


def _slot_for(host: Entry, kind: str) -> str | None:
    """The slot of a host that is called after a kind; none of a host that cannot be read: it must hide no error."""
    try:
        return kind if kind in parameters_of(host) else None
    except Exception:
        return None


def refuse_pool(recipe: Recipe, turns: Sequence[TurnModule]) -> None:
    """A critic that sees a condition beside the picture would see an older fake with that of another."""
    bound = [
        node.function.names for turn in turns if turn.needs for node in turn.plan if isinstance(node.function, Bind)
    ]
    if bound and recipe.train.pool_size:
        what = " and ".join(f"`{name}`" for name in sorted({name for names in bound for name in names}))
        text = f"the critic sees {what} beside the picture, which older fakes do not keep: set this to 0"
        raise BuildError(("train", "pool_size"), text)
