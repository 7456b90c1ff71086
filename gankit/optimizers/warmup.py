"""A slow start in front of another schedule."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from gankit.contracts import ScheduleContract
from gankit.optimizers.decay import Constant
from gankit.optimizers.numbers import Count, Fraction
from gankit.slots import Position, Schedule


class Warmup:
    """In its first `steps` steps the rate of another schedule grows in a straight line, as in arXiv 1706.02677.

    The factor of step i, counted from 0, is start + (1 - start) * (i + 1) / steps. The rate is full from the last of
    these steps on.

    Args:
        steps: how many steps the growth takes.
        start: the factor that the line comes from.
        then: the schedule whose rate grows. It counts from the training's first step. None means the constant one.
    """

    def __init__(self, *, steps: Count = 500, start: Fraction = 0.0, then: Schedule | None = None) -> None:
        if steps < 1 or not 0 <= start <= 1:
            raise ValueError(f"steps is 1 at least and start in [0, 1], not {steps} and {start}")
        self.steps, self.start = steps, start
        self.then = Constant() if then is None else then

    def __call__(self, position: Position) -> float:
        grown = min(1.0, (position.step + 1) / self.steps)
        return (self.start + (1.0 - self.start) * grown) * self.then(position)

    @property
    def watches(self) -> tuple[str, ...]:
        return ScheduleContract(self.then).watches

    def hear(self, values: Mapping[str, float]) -> None:
        ScheduleContract(self.then).hear(values)

    def state_dict(self) -> dict[str, Any]:
        return ScheduleContract(self.then).state_dict()

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        ScheduleContract(self.then).load_state_dict(state)
