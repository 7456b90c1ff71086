"""What a data set is to the loader, the trainer and the metrics."""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Mapping
from types import MappingProxyType
from typing import Literal, Protocol, Self

import torch
from torch import Tensor

from gankit.codecs.base import Codec
from gankit.data.placed import Placed
from gankit.fields import Field

Split = Literal["train", "val", "test"]


class Dataset(Protocol):
    """A data set. Every random choice of an item comes from the generator given, none from a global one.

    fields: what an item holds, by name, as `{"a": Picture(3), "label": Label(classes=5)}`. size: the side of the
    pictures in pixels (of a crop; the width of uncropped ones).
    """

    @property
    def fields(self) -> Mapping[str, Field]: ...
    @property
    def size(self) -> int: ...
    def __len__(self) -> int: ...
    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """The fields of one item: pictures (C, H, W) in [-1, 1]; masks (1, H, W) in {0, 1}; labels int64 (); maps
        (classes, H, W); vectors (size,): see `gankit.fields`."""
        ...

    def split(self, name: Split) -> Dataset:
        """The "train" part (augmented) or the "test" part (never random). Raises DataError where there is none."""
        ...


class PlacedDataset(ABC):
    """A data set whose last steps, crop, flip and scaling, can wait until a batch is on the device.

    The loader asks for `placed`, unless a subclass has an `item` of its own.
    """

    _split: Split
    codecs: Mapping[str, Codec] = MappingProxyType({})
    """Of each picture field that comes from files: how they are read and written."""

    @abstractmethod
    def _enter(self, split: Split) -> None:
        """Become that split. Raises DataError where there is none."""

    @abstractmethod
    def placed(self, index: int, generator: torch.Generator) -> Mapping[str, Tensor | Placed]:
        """The fields of an item, pictures as `Placed`."""

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Fields of one item: pictures (C, h, w) in [-1, 1]; masks (1, h, w) in {0, 1}."""
        return {k: v.finish() if isinstance(v, Placed) else v for k, v in self.placed(index, generator).items()}

    def measured(self, name: Split) -> Self:
        """The part from which figures are made: `split`, never random."""
        return self.split(name)

    def split(self, name: Split) -> Self:
        """The "train" or the "test" part; raises DataError where its folders are missing or empty."""
        if name == self._split:
            return self
        other = copy.copy(self)
        other._enter(name)
        return other
