"""Every turn of a recipe, played once before anything is trained, to tell what breaks and what learns nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

import torch
from torch import Tensor

from gankit.core.errors import BuildError, RecipeError
from gankit.core.recipe import Recipe
from gankit.inspect.blame import blaming
from gankit.inspect.summary import on_meta
from gankit.methods.base import Method
from gankit.methods.plan import plan_turns, whole_step
from gankit.methods.turns import TurnModule, made_alone
from gankit.training.assemble import Assembled, assemble
from gankit.training.pictures import Batch, prepare
from gankit.training.seeds import untouched

LAST_EPOCH = 10**9
MOST = 2
"""Pictures of a batch that is played with numbers."""


def try_out(recipe: Recipe, batch: Batch) -> list[BuildError]:
    """Play the forward of every turn, in the first epoch and, of methods that have phases, in the last, on parts made
    for it: first on the meta device, shapes without numbers; with numbers where that fails, for some parts need them.
    The random state stays what it is.

    batch: of a step. Returns what is no reason not to train: the parameters that learn from no loss.
    Raises RecipeError, at the part, for a network or loss that breaks on what it is given, and for a loss that is no
    number or from which nothing learns.
    """
    with untouched(), torch.enable_grad():
        try:
            parts = assemble_on_meta(recipe)
            return _played(parts, batch.empty())
        except RecipeError:
            raise
        except Exception:
            parts, some = assemble(recipe), replace(batch, count=min(batch.count, MOST))
            prepare(parts)
            return blaming(parts, batch, lambda: _played(parts, some.drawn()))


def assemble_on_meta(recipe: Recipe) -> Assembled:
    """What a recipe describes, without numbers. Raises RecipeError."""
    try:
        with torch.device("meta"):
            return assemble(recipe)
    except RecipeError:
        parts = assemble(recipe)  # a part that cannot be made without numbers; or the recipe is wrong, and this raises
        method = on_meta(parts.method)
        terms = {name: replace(term, loss=on_meta(term.loss)) for name, term in parts.terms.items()}
        return replace(parts, method=method, terms=terms, turns=plan_turns(method, terms, parts.augments))


def epochs_of(method: Method) -> dict[str, int]:
    """The epochs in which a method may differ: the `first` and, where it has phases, the `last`."""
    return {"first": 0} | ({"last": LAST_EPOCH} if type(method).set_epoch is not Method.set_epoch else {})


def _played(parts: Assembled, batch: Mapping[str, Tensor]) -> list[BuildError]:
    """Play the phases, refuse what cannot be trained, return what could be and does not learn."""
    parts.method.train()
    teaching: set[str] = set()  # losses from which something learns
    idle: dict[str, BuildError] = {}
    faults: list[BuildError] = []
    for phase, epoch in epochs_of(parts.method).items():
        parts.method.set_epoch(epoch)
        when = "" if phase == "first" else f" in the {phase} epoch"
        for turn, reached in _turns(parts, batch):
            own = {id(p) for p in turn.parameters_trained()}
            losses = {name for name, ids in reached.items() if ids & own}
            if not losses:
                text = f"turn {turn.turn.name}: no network of it gets a gradient{when}: add a loss that trains one"
                faults.append(BuildError(("losses",), text))
            teaching |= losses
            if names := _without(parts.method, turn, set().union(*reached.values())):
                idle.setdefault(turn.turn.name, _idle(turn, names, when))
    if mute := sorted({term.name for turn in parts.turns for term in turn.terms} - teaching):
        text = "nothing learns from it: no gradient of it reaches a network of its turn; remove it, or bind it with "
        faults = [BuildError(("losses", name), f"{text}`on` to other tensors") for name in mute]
    if faults:
        raise parts.recipe.error(*faults)
    return list(idle.values())


def _without(method: Method, turn: TurnModule, reached: set[int]) -> list[str]:
    """The parameters of a turn's networks that should learn and get no gradient."""
    parameters = (
        (f"{key}.{name}", p)
        for key in method.trained_by(turn.turn)
        for name, p in method.networks[key].named_parameters()
    )
    return [name for name, p in parameters if p.requires_grad and id(p) not in reached]


def _idle(turn: TurnModule, found: list[str], when: str) -> BuildError:
    names, others = sorted({term.name for term in turn.terms}), len(found) - 1
    who = f"{found[0]} and {others} more parameters get" if others else f"{found[0]} gets"
    text = f"turn {turn.turn.name}: {who} no gradient from {' and '.join(names)}{when}: add a loss that trains "
    return BuildError(("losses",), f"{text}{'them' if others else 'it'}, or choose a part without")


def _turns(parts: Assembled, batch: Mapping[str, Tensor]) -> Iterator[tuple[TurnModule, dict[str, set[int]]]]:
    """Play every turn; every term counts, whatever its `from_step` and `every`. By the name of each loss, the ids of
    the parameters that get a gradient of it."""
    step = whole_step(parts.terms.values())
    carried: dict[str, Any] = {}
    for turn in parts.turns:
        if missing := [key for key in turn.needs if key not in carried]:
            with torch.no_grad():
                carried |= made_alone(parts.method, missing, batch)
        losses, values = turn(batch, {key: carried[key].detach() for key in turn.needs}, step)
        carried |= values
        reached: dict[str, set[int]] = {}
        for term in turn.terms:
            reached.setdefault(term.name, set()).update(_behind(term.name, losses[term.key]))
        yield turn, reached


def _behind(name: str, loss: object) -> Iterator[int]:
    """The ids of the parameters to which the gradient of a loss goes."""
    if not isinstance(loss, Tensor) or loss.numel() != 1:
        what = f"a tensor of shape {tuple(loss.shape)}" if isinstance(loss, Tensor) else f"a {type(loss).__name__}"
        raise BuildError(("losses", name), f"a loss must give one number, and this one gives {what}")
    seen, ahead = set(), [loss.grad_fn]
    while ahead:
        node = ahead.pop()
        if node is None or node in seen:
            continue
        seen.add(node)
        if node.name() == "torch::autograd::AccumulateGrad":
            yield id(node.variable)  # type: ignore[attr-defined]
        ahead += [following for following, _ in node.next_functions]
