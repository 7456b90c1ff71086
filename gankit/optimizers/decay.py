"""Schedules that are pure functions of the position in training."""

from __future__ import annotations

import math
from typing import Literal

from gankit.optimizers.numbers import Count, Fraction
from gankit.slots import Position, Unit

Convention = Literal["epoch_end", "epoch_start", "last_zero", "first_full"]

# For a decay over n positions: (by how many positions it is ahead of the one in progress, what is added to n).
_CONVENTIONS: dict[str, tuple[int, int]] = {
    "epoch_end": (1, 1),
    "epoch_start": (2, 1),
    "last_zero": (1, 0),
    "first_full": (0, 0),
}


class Constant:
    """The full rate throughout."""

    def __call__(self, position: Position) -> float:
        return 1.0


class Linear:
    """The full rate, then a straight line to 0.

    Args:
        decay_from: the share of the training that keeps the full rate.
        every: whether the rate changes with each epoch or with each step.
        convention: where exactly the line begins and ends.

    Papers' codes differ in that convention by one position, an epoch or a step. For a decay over n positions:

    - `epoch_end`: stepped after each epoch (CUT, CycleGAN's code until 2020); the last factor is 1/(n + 1)
    - `epoch_start`: stepped before it (CycleGAN's code since 2020-07); the whole last epoch has factor 0
    - `last_zero`: the very last position has factor 0 (U-GAT-IT, by steps)
    - `first_full`: the first position of the decay has factor 1 still, the last 1/n (AGIT, by epochs)

    With `epoch_start` a training of one epoch would have rate 0 throughout: there it is `epoch_end`.
    """

    def __init__(
        self, *, decay_from: Fraction = 0.5, every: Unit = "epoch", convention: Convention = "epoch_end"
    ) -> None:
        if convention not in _CONVENTIONS:
            raise ValueError(f"convention must be one of {', '.join(_CONVENTIONS)}, not '{convention}'")
        self.decay_from, self.convention = _share(decay_from), convention
        self.every: Unit = _unit(every)

    def __call__(self, position: Position) -> float:
        now, total = position.by(self.every)
        full = _full(self.decay_from, total)
        if full == total:
            return 1.0
        alone = self.convention == "epoch_start" and total == 1
        ahead, more = _CONVENTIONS["epoch_end" if alone else self.convention]
        return max(0.0, 1.0 - max(0, now + ahead - full) / float(total - full + more))


class Cosine:
    """The full rate, then half a period of a cosine down to 0, as in arXiv 1608.03983 without its restarts.

    Args:
        decay_from: the share of the training that keeps the full rate.
        every: whether the rate changes with each epoch or with each step.
    """

    def __init__(self, *, decay_from: Fraction = 0.5, every: Unit = "epoch") -> None:
        self.decay_from = _share(decay_from)
        self.every: Unit = _unit(every)

    def __call__(self, position: Position) -> float:
        now, total = position.by(self.every)
        full = _full(self.decay_from, total)
        if full == total:
            return 1.0
        return 0.5 * (1.0 + math.cos(math.pi * min(max(0.0, now - full) / (total - full), 1.0)))


class Steps:
    """Multiplies the rate by `drop_factor` after every `drop_every` epochs or steps, as `every` says.

    MUNIT (arXiv 1804.04732) halves it every 100,000 steps.

    Args:
        drop_every: how many epochs or steps lie between two drops.
        drop_factor: what the rate is multiplied by.
        every: whether `drop_every` counts epochs or steps.
    """

    def __init__(self, *, drop_every: Count, drop_factor: Fraction = 0.5, every: Unit = "epoch") -> None:
        if drop_every < 1:
            raise ValueError(f"drop_every is 1 at least, not {drop_every}")
        if not 0 <= drop_factor <= 1:
            raise ValueError(f"drop_factor is in [0, 1], not {drop_factor}")
        self.drop_every, self.drop_factor = drop_every, drop_factor
        self.every: Unit = _unit(every)

    def __call__(self, position: Position) -> float:
        return self.drop_factor ** (position.by(self.every)[0] // self.drop_every)


def _full(share: float, total: int) -> int:
    """How many positions come before the decay."""
    return int(share * total + 1e-9)  # a share such as 29/100 is not exact in binary


def _share(value: float) -> float:
    if not 0 <= value <= 1:
        raise ValueError(f"decay_from is a share of the training, in [0, 1], not {value}")
    return value


def _unit(value: Unit) -> Unit:
    if value not in ("epoch", "step"):
        raise ValueError(f"every is epoch or step, not '{value}'")
    return value
