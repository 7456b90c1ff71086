"""Callbacks that watch a figure which is measured while training (`train.measure`)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, Any, ClassVar

from annotated_types import Ge

from gankit.callbacks.base import Callback, Event, Keep, Stop
from gankit.core.better import merit


class Watching(Callback):
    """Base of those that watch one metric: `better` says whether its newest figure is the best so far.

    metric: its name, as `gankit evaluate` prints it. direction: of a translation; null: the mean of all directions.
    """

    def __init__(self, *, metric: str, direction: str | None = None) -> None:
        self.metric, self.watches, self.direction = metric, metric, direction
        self.best: float | None = None
        self.best_step = 0

    def newest(self, event: Event) -> tuple[float, bool]:
        """The figure, and whether it is better than the best before: one that is not finite is not.

        Raises ValueError where it was not measured."""
        rows = [row for row in event.results if row["metric"] == self.metric and not row.get("label")]
        if self.direction is not None:
            rows = [row for row in rows if row["direction"] == self.direction]
        values = [row["value"] for row in rows if row["value"] is not None]
        if not values or len(values) < len(rows):
            measured = dict.fromkeys(row["metric"] for row in event.results if row["value"] is not None)
            way = f" {self.direction}" if self.direction else ""
            raise ValueError(
                f"there is no figure called {self.metric}{way}; measured: {', '.join(measured) or 'nothing'}"
            )
        value = sum(values) / len(values)
        better = rows[0]["better"]
        if math.isfinite(value) and (self.best is None or merit(value, better) > merit(self.best, better)):
            self.best, self.best_step = value, event.step
            return value, True
        return value, False

    def state_dict(self) -> dict[str, Any]:
        return {"of": self._figure, "best": self.best, "best_step": self.best_step}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Nothing, where the state is that of another figure, which a resumed run may watch."""
        if state["of"] == self._figure:
            self._go_on(state)

    def _go_on(self, state: Mapping[str, Any]) -> None:
        self.best, self.best_step = state["best"], state["best_step"]

    @property
    def _figure(self) -> list[str | None]:
        return [self.metric, self.direction]


class Best(Watching):
    """Keeps the checkpoint with the best figure so far, as `checkpoints/best`, beside the newest ones.

    `gankit translate --checkpoint best` uses it, as do evaluate, sample and export. gankit's own.

    Args:
        metric: the name of the figure, as `gankit evaluate` prints it.
        direction: the direction whose figure counts, such as `a2b`. None takes the mean of all directions.
    """

    may_keep: ClassVar[bool] = True

    def measured(self, event: Event) -> Keep | None:
        value, better = self.newest(event)
        return Keep("best", f"{self.metric} {value:.4g}") if better else None


class EarlyStop(Watching):
    """Ends the training when a figure has not become better for `patience` measurements.

    gankit's own.

    Args:
        metric: the name of the figure, as `gankit evaluate` prints it.
        direction: the direction whose figure counts, such as `a2b`. None takes the mean of all directions.
        patience: how many measurements in a row may bring no better figure.
    """

    may_stop: ClassVar[bool] = True

    def __init__(self, *, metric: str, direction: str | None = None, patience: Annotated[int, Ge(1)] = 5) -> None:
        super().__init__(metric=metric, direction=direction)
        self.patience, self.since = patience, 0

    def begin(self, event: Event) -> Stop | None:
        return self._verdict()

    def measured(self, event: Event) -> Stop | None:
        _, better = self.newest(event)
        self.since = 0 if better else self.since + 1
        return self._verdict()

    def _verdict(self) -> Stop | None:
        if self.since < self.patience:
            return None
        return Stop(
            f"{self.metric} was best at step {self.best_step}; none of the {self.since} measurements since was better"
        )

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "since": self.since}

    def _go_on(self, state: Mapping[str, Any]) -> None:
        super()._go_on(state)
        self.since = state["since"]
