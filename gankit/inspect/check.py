"""One real step of every turn on drawn pictures: what a recipe would do first, without its data."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from math import ceil, lcm

import torch
from torch import Tensor

from gankit.core.errors import TrainingError
from gankit.methods.base import Method
from gankit.training.assemble import Assembled, make_stepper
from gankit.training.devices import Devices
from gankit.training.seeds import reseed

LAST_EPOCH = 10**9


@dataclass(frozen=True)
class Played:
    """A step: its weighted terms by turn/term/direction, and `epoch`, `first` or `last` of the training."""

    epoch: str
    losses: dict[str, float]


def check(parts: Assembled, pictures: Mapping[str, tuple[int, ...]]) -> list[Played]:
    """Play a step in the first epoch, and one in the last where the method has phases.

    pictures: the batch to draw, field -> (N, C, H, W). Every term counts, whatever its `from_step`, and every turn
    plays.
    Raises TrainingError when a loss is not finite, or a parameter that should learn gets no gradient or one that is
    not finite.
    """
    train = parts.recipe.train
    stepper = make_stepper(parts, Devices.open(train.device, train.precision))
    parts.method.train()
    every = lcm(*(turn.turn.every for turn in stepper.turns))
    latest = max((term.from_step for term in stepper.terms.values()), default=0)
    phases = {"first": 0}
    if type(parts.method).set_epoch is not Method.set_epoch:
        phases["last"] = LAST_EPOCH
    played = []
    for name, epoch in phases.items():
        stepper.steps = every * ceil(latest / every)
        parts.method.set_epoch(epoch)
        reseed(train.seed, 0, epoch)
        losses = dict(stepper.step({field: draw(field, shape) for field, shape in pictures.items()}))
        for turn in stepper.turns:
            _refuse_gradients(turn.turn.name, parts.method, parts.method.trained_by(turn.turn))
        played.append(Played(name, losses))
    return played


def draw(field: str, shape: tuple[int, ...]) -> Tensor:
    """Noise of the range of a field: masks in {0, 1}, pictures in [-1, 1]."""
    noise = torch.rand(shape)
    return noise.round() if field.startswith("mask") else noise * 2 - 1


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
