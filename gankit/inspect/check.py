"""One real step of every turn on drawn pictures: what a recipe would do first, without its data."""

from __future__ import annotations

from dataclasses import dataclass
from math import lcm

from gankit.core.errors import TrainingError
from gankit.inspect.trial import epochs_of
from gankit.methods.base import Method
from gankit.methods.plan import whole_step
from gankit.training.assemble import Assembled, make_stepper
from gankit.training.devices import Devices
from gankit.training.pictures import Batch
from gankit.training.seeds import reseed


@dataclass(frozen=True)
class Played:
    """A step: its weighted terms by turn/term/direction, and `epoch`, `first` or `last` of the training."""

    epoch: str
    losses: dict[str, float]


def check(parts: Assembled, batch: Batch) -> list[Played]:
    """Play a step in the first epoch, and one in the last where the method has phases.

    batch: the one to draw. Every term counts, whatever its `from_step` and `every`,
    and every turn plays.
    Raises TrainingError when a loss is not finite, or a parameter that should learn gets no gradient or one that is
    not finite.
    """
    train = parts.recipe.train
    stepper = make_stepper(parts, Devices.open(train.device, train.precision, train.deterministic))
    parts.method.train()
    every = lcm(*(turn.turn.every for turn in stepper.turns))
    played = []
    for name, epoch in epochs_of(parts.method).items():
        stepper.steps = whole_step(stepper.terms.values(), every)
        parts.method.set_epoch(epoch)
        reseed(train.seed, 0, epoch)
        losses = dict(stepper.step(batch.drawn()))
        for turn in stepper.turns:
            _refuse_gradients(turn.turn.name, parts.method, parts.method.trained_by(turn.turn))
        played.append(Played(name, losses))
    return played


def _refuse_gradients(turn: str, method: Method, keys: list[str]) -> None:
    learning = {f"{key}.{n}": p for key in keys for n, p in method.networks[key].named_parameters() if p.requires_grad}
    for why, bad in (
        ("no gradient", [n for n, p in learning.items() if p.grad is None]),
        (
            "a gradient that is not finite",
            [n for n, p in learning.items() if p.grad is not None and not p.grad.isfinite().all()],
        ),
    ):
        if bad:
            more = f" and {len(bad) - 1} more parameters get" if len(bad) > 1 else " gets"
            raise TrainingError(f"turn {turn}: {bad[0]}{more} {why}")
