"""What a data set is to the loader, the trainer and the metrics."""

from __future__ import annotations

from typing import Literal, Protocol

import torch
from torch import Tensor

Split = Literal["train", "test"]


class Dataset(Protocol):
    """A data set. Every random choice of an item comes from the generator given, none from a global one.

    channels: those of each picture field, as {"a": 3, "b": 3}. size: the side of the pictures in pixels (of a crop;
    the width of uncropped ones).
    """

    @property
    def channels(self) -> dict[str, int]: ...
    @property
    def size(self) -> int: ...
    def __len__(self) -> int: ...
    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Fields of one item: pictures (C, H, W) in [-1, 1]; masks (1, H, W) in {0, 1}."""
        ...

    def split(self, name: Split) -> Dataset:
        """The "train" part (augmented) or the "test" part (never random). Raises DataError where there is none."""
        ...
