"""Schedules of the learning rate: a factor as a pure function of the position in training."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

Convention = Literal["epoch_end", "epoch_start", "last_zero", "first_full"]

# For a decay over n positions: (by how many positions it is ahead of the one in progress, what is added to n).
_CONVENTIONS: dict[str, tuple[int, int]] = {
    "epoch_end": (1, 1),  # scheduler stepped after each epoch: CUT, CycleGAN's code until 2020. Last factor 1/(n + 1)
    "epoch_start": (2, 1),  # stepped before it: CycleGAN's code since 2020-07. The whole last epoch has factor 0
    "last_zero": (1, 0),  # U-GAT-IT, by steps: the very last step has factor 0
    "first_full": (0, 0),  # AGIT, by epochs: the first position of the decay has factor 1 still, the last 1/n
}


@dataclass(frozen=True)
class Schedule:
    """`schedule(position)` is the factor, in [0, 1], on the learning rate at a position counted from 0.

    total: how many positions there are, epochs or steps, whichever the caller counts. decay_from: the share of them
    with factor 1. kind: `constant`; `linear` to 0; `cosine`, half a period down to 0; `step`: multiplied by
    `drop_factor` after every `drop_every` positions, whatever decay_from says (MUNIT: halved every 100,000 steps).
    convention: papers' codes differ by one position in where a linear decay begins and ends; see _CONVENTIONS.
    """

    kind: Literal["constant", "linear", "cosine", "step"] = "linear"
    total: int = 200
    decay_from: float = 0.5
    convention: Convention = "epoch_end"
    drop_every: int | None = None
    drop_factor: float = 0.5

    def __post_init__(self) -> None:
        if self.kind not in ("constant", "linear", "cosine", "step"):
            raise ValueError(f"kind is constant, linear, cosine or step, not '{self.kind}'")
        if self.kind == "step" and (self.drop_every is None or self.drop_every < 1):
            raise ValueError(f"a schedule of kind step needs drop_every, 1 at least, not {self.drop_every}")
        if not 0 <= self.drop_factor <= 1:
            raise ValueError(f"drop_factor is in [0, 1], not {self.drop_factor}")
        if self.convention not in _CONVENTIONS:
            raise ValueError(f"convention is one of {', '.join(_CONVENTIONS)}, not '{self.convention}'")
        if self.total < 1:
            raise ValueError(f"total must be 1 at least, not {self.total}")
        if not 0 <= self.decay_from <= 1:
            raise ValueError(f"decay_from is a share of the training, in [0, 1], not {self.decay_from}")

    @property
    def full(self) -> int:
        """How many positions come before the decay."""
        return int(self.decay_from * self.total + 1e-9)  # a share such as 29/100 is not exact in binary

    def __call__(self, position: float) -> float:
        if self.kind == "step":
            assert self.drop_every is not None
            return self.drop_factor ** (position // self.drop_every)
        decaying = self.total - self.full
        if self.kind == "constant" or decaying == 0:
            return 1.0
        ahead, more = _CONVENTIONS[self.convention]
        if self.kind == "linear":
            return max(0.0, 1.0 - max(0, position + ahead - self.full) / float(decaying + more))
        done = min(max(0.0, position + max(0, ahead - 1) - self.full) / decaying, 1.0)
        return 0.5 * (1.0 + math.cos(math.pi * done))
