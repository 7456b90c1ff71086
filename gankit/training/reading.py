"""What a step has to tell, read from the device when it is asked for: its losses, and what is watched beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gankit.core.errors import TrainingError


class Told(NamedTuple):
    """What a turn has to tell: the weighted terms by key, and what is watched beside them by name."""

    losses: dict[str, Tensor]
    watched: dict[str, Tensor]

    def add(self, losses: Mapping[str, Tensor], watched: Mapping[str, Tensor]) -> None:
        """Add what another of several batches tells."""
        for sums, values in ((self.losses, losses), (self.watched, watched)):
            for key, value in values.items():
                sums[key] = sums[key] + value if key in sums else value


class Losses(Mapping[str, float]):
    """The weighted terms of one step by `turn/term/direction`.

    The values begin their way from the device when this is made and are waited for at the first look, so that a step
    that nobody looks at yet does not wait for its end. Whoever looks, or calls `read`, gets a TrainingError where a
    term is not finite.

    step: its number, counted from 1. values: one for each key, then one for each name in `watched`, on any device.
    """

    def __init__(self, step: int, keys: Sequence[str], values: Tensor, watched: Sequence[str] = ()) -> None:
        self.step, self.keys_in_order, self._names = step, tuple(keys), tuple(watched)
        self._values = values.to("cpu", non_blocking=True)  # pinned memory, where the device is a GPU
        self._arrived: torch.cuda.Event | None = None
        if values.is_cuda:
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        self._read: dict[str, float] | None = None

    def _numbers(self) -> dict[str, float]:
        if self._read is None:
            if self._arrived is not None:
                self._arrived.synchronize()
            self._read = dict(zip((*self.keys_in_order, *self._names), self._values.tolist(), strict=True))
        return self._read

    def read(self) -> dict[str, float]:
        """The numbers. Raises TrainingError when one is NaN or infinite, naming the step and the terms."""
        losses = {key: self._numbers()[key] for key in self.keys_in_order}
        if bad := [key for key, value in losses.items() if not math.isfinite(value)]:
            raise TrainingError(f"step {self.step}: the loss {' and '.join(bad)} became {losses[bad[0]]}")
        return losses

    @property
    def watched(self) -> dict[str, float]:
        """What is watched beside the losses, by name, as far as it is finite: a gradient that fp16 skips is not."""
        return {name: value for name in self._names if math.isfinite(value := self._numbers()[name])}

    def __getitem__(self, key: str) -> float:
        return self.read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)

    def __repr__(self) -> str:
        return repr(self.read())
