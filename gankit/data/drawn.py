"""What data sets that are drawn from a seed have in common: their splits."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Self

from gankit.data.dataset import Split


class Drawn:
    """Base of drawn data sets. A subclass sets `_counts`, the items of each split, and enters "train"."""

    _counts: Mapping[Split, int]
    _split: Split

    def _enter(self, split: Split) -> None:
        """Become that split."""
        self._split = split

    def split(self, name: Split) -> Self:
        """The same data set's "train", "val" or "test" items."""
        other = copy.copy(self)
        other._enter(name)
        return other

    def __len__(self) -> int:
        return self._counts[self._split]

    def check(self, index: int) -> None:
        """Raises IndexError for an item that there is not."""
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
