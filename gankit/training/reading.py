"""The losses of a step, read from the device when they are asked for."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor

from gankit.core.errors import TrainingError


class Losses(Mapping[str, float]):
    """The weighted terms of one step by `turn/term/direction`.

    The values begin their way from the device when this is made and are waited for at the first look, so that a step
    that nobody looks at yet does not wait for its end. Whoever looks, or calls `read`, gets a TrainingError where a
    term is not finite.

    step: its number, counted from 1. values: one for each key, on any device.
    """

    def __init__(self, step: int, keys: Sequence[str], values: Tensor) -> None:
        self.step, self.keys_in_order = step, tuple(keys)
        self._values = values.to("cpu", non_blocking=True)  # pinned memory, where the device is a GPU
        self._arrived: torch.cuda.Event | None = None
        if values.is_cuda:
            self._arrived = torch.cuda.Event()
            self._arrived.record()
        self._read: dict[str, float] | None = None

    def read(self) -> dict[str, float]:
        """The numbers. Raises TrainingError when one is NaN or infinite, naming the step and the terms."""
        if self._read is None:
            if self._arrived is not None:
                self._arrived.synchronize()
            self._read = dict(zip(self.keys_in_order, self._values.tolist(), strict=True))
        if bad := [key for key, value in self._read.items() if not math.isfinite(value)]:
            raise TrainingError(f"step {self.step}: the loss {' and '.join(bad)} became {self._read[bad[0]]}")
        return self._read

    def __getitem__(self, key: str) -> float:
        return self.read()[key]

    def __iter__(self) -> Iterator[str]:
        return iter(self.keys_in_order)

    def __len__(self) -> int:
        return len(self.keys_in_order)

    def __repr__(self) -> str:
        return repr(self.read())
