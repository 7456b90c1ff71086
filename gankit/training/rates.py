"""The factor on the learning rates: a schedule that is told where the training is, and what it watches."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from gankit.contracts import ScheduleContract
from gankit.core.errors import BuildError, TrainingError
from gankit.core.words import suggest
from gankit.slots import Position, Schedule


class Rates:
    """A schedule in a training of `steps` steps, `steps_per_epoch` of them an epoch.

    What the schedule watches it is told at the end of each epoch, all of whose losses must have been given to `add` by
    then: so nothing depends on when a loss was read from the device.
    """

    def __init__(self, schedule: Schedule, steps: int, steps_per_epoch: int) -> None:
        self.schedule, self.steps, self.steps_per_epoch = schedule, steps, steps_per_epoch
        self._contract = ScheduleContract(schedule)
        self._sums: dict[str, float] = {}
        self._counts: dict[str, int] = {}

    def listens(self, step: int) -> bool:
        """Whether all losses before this step must have been added before its factor is asked for."""
        return step % self.steps_per_epoch == 0 and len(self._contract.watches) > 0

    def add(self, losses: Mapping[str, float]) -> None:
        """The losses of one step, by name."""
        for name in self._contract.watches:
            if name in losses:
                self._sums[name] = self._sums.get(name, 0.0) + losses[name]
                self._counts[name] = self._counts.get(name, 0) + 1

    def factor(self, step: int) -> float:
        """The factor of the step to come; once for each step, in their order. Raises TrainingError for one that is
        negative or not finite."""
        if self.listens(step) and self._sums:
            self._contract.hear({name: total / self._counts[name] for name, total in self._sums.items()})
            self._sums, self._counts = {}, {}
        epochs = math.ceil(self.steps / self.steps_per_epoch)
        value = self.schedule(Position(step, step // self.steps_per_epoch, self.steps, epochs))
        if not 0 <= value < math.inf:
            name = type(self.schedule).__name__
            raise TrainingError(f"step {step + 1}: the schedule {name} gives the factor {value}; 0 or more is one")
        return value

    def state_dict(self) -> dict[str, Any]:
        return {"schedule": self._contract.state_dict(), "sums": self._sums, "counts": self._counts}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        self._contract.load_state_dict(state["schedule"])
        self._sums, self._counts = dict(state["sums"]), dict(state["counts"])


def refuse_unknown_values(schedule: Schedule, known: Sequence[str]) -> None:
    """Raise BuildError where a schedule watches what nobody tells it. known: names of losses."""
    for name in ScheduleContract(schedule).watches:
        if name not in known:
            near = suggest(name, known)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(known)}"
            raise BuildError(("train", "schedule"), f"watches {name!r}, and no loss is called so; {hint}")
