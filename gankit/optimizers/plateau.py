"""A rate that falls when a measured value no longer gets better."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from annotated_types import Ge

from gankit.optimizers.numbers import Decay, Fraction
from gankit.slots import Position


class Plateau:
    """Multiplies the rate by `factor` when a value has not become better for more than `patience` epochs.

    The rule is that of torch's ReduceLROnPlateau.

    Args:
        watch: the name of the value. It is a loss as the log names it, such as `generator/cycle/a2b`, of which each
            epoch's mean counts. Adversarial losses need not fall when the pictures become better, so that a loss on the
            reconstruction is the best choice.
        factor: what the rate is multiplied by.
        patience: for how many epochs the value may become no better before the rate falls.
        threshold: the share of the best value so far by which the next best must be better.
        better: whether `lower` or `higher` values are better.
        cooldown: for how many epochs after a drop nothing counts.
        least: the smallest share of the full rate. The rate never falls below it.
    """

    def __init__(
        self,
        *,
        watch: str,
        factor: Decay = 0.5,
        patience: Annotated[int, Ge(0)] = 10,
        threshold: Decay = 1e-4,
        better: Literal["lower", "higher"] = "lower",
        cooldown: Annotated[int, Ge(0)] = 0,
        least: Fraction = 0.0,
    ) -> None:
        if not 0 <= factor < 1 or not 0 <= least <= 1 or better not in ("lower", "higher"):
            raise ValueError("factor is in [0, 1), least in [0, 1], better lower or higher")
        self.watch, self.factor, self.patience, self.threshold = watch, factor, patience, threshold
        self.better, self.cooldown, self.least = better, cooldown, least
        self.now, self.best, self.bad, self.cooling = 1.0, math.inf, 0, 0
        self.watches = (watch,)

    def __call__(self, position: Position) -> float:
        return self.now

    def hear(self, values: Mapping[str, float]) -> None:
        if self.watch not in values:
            return
        value = values[self.watch] if self.better == "lower" else -values[self.watch]
        if value < self.best - self.threshold * abs(self.best) or self.best == math.inf:
            self.best, self.bad = value, 0
        else:
            self.bad += 1
        if self.cooling > 0:
            self.cooling, self.bad = self.cooling - 1, 0
        if self.bad > self.patience:
            self.now, self.bad, self.cooling = max(self.least, self.now * self.factor), 0, self.cooldown

    def state_dict(self) -> dict[str, Any]:
        best = None if self.best == math.inf else self.best  # JSON has no infinity
        return {"now": self.now, "best": best, "bad": self.bad, "cooling": self.cooling}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self.now, self.bad, self.cooling = state["now"], state["bad"], state["cooling"]
        self.best = math.inf if state["best"] is None else state["best"]
