"""Decoded samples of a folder: kept where asked for, the broken ones named and stepped over."""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence

import torch
from torch import Tensor

from gankit.core.errors import DataError
from gankit.data.cache import shared_bytes
from gankit.data.keeping import Keeping

log = logging.getLogger("gankit.data")


def stored_shape(shape: tuple[int, int, int], dtype: torch.dtype) -> tuple[int, int, int]:
    """Of the bytes of a picture (C, H, W): (C, H, W) for uint8, (C, H, 4 W) for float32."""
    return (*shape[:2], shape[2] * dtype.itemsize)


def to_bytes(picture: Tensor) -> Tensor:
    """A picture as what caches keep, uint8."""
    return picture if picture.dtype == torch.uint8 else picture.contiguous().view(torch.uint8)


def from_bytes(stored: Tensor, dtype: torch.dtype) -> Tensor:
    """The other way, without a copy."""
    return stored if dtype == torch.uint8 else stored.view(dtype)


class Samples:
    """`make(index)` for each name, uint8 of the shape given; `describe(index)` tells what it is made from.

    A sample that cannot be made (DataError) is named once on stderr, and the next good one stands in for it: which
    one that is depends only on the files. More than `max_bad` of them are a DataError. Forked workers share the
    count, as they share what is kept. `left_out` were found broken before and count too.
    """

    def __init__(
        self,
        names: Sequence[str],
        shapes: Sequence[Sequence[int]],
        make: Callable[[int], Tensor],
        describe: Callable[[int], str],
        max_bad: int,
        keeping: Keeping,
        left_out: Sequence[str] = (),
    ):
        self._names, self._make, self._max_bad = names, make, max_bad
        self._left_out = list(left_out)
        self._cache = keeping.open(shapes, describe)
        self._bad = shared_bytes(len(names))
        self._check_count()

    def __len__(self) -> int:
        return len(self._names)

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_bad": self._bad.copy()}

    def find(self, index: int) -> tuple[int, Tensor]:
        """The first good sample from `index` on, around the end: its index and itself, not to be written to."""
        for step in range(len(self)):
            candidate = (index + step) % len(self)
            try:
                if not self._bad[candidate]:
                    return candidate, self._read(candidate)
            except DataError as error:
                self._mark(candidate, error)
        raise DataError(f"none of the {len(self)} pictures can be read: {self._names[0]}, ...")

    def _read(self, index: int) -> Tensor:
        if self._cache is None:
            return self._make(index)
        return self._cache.get(index, lambda: self._make(index))

    def _mark(self, index: int, error: DataError) -> None:
        if not self._bad[index]:
            log.warning("skipped a picture: %s", error)
        self._bad[index] = 1
        self._check_count()

    def _check_count(self) -> None:
        bad = self._left_out + [name for name, bad in zip(self._names, self._bad, strict=True) if bad]
        if len(bad) > self._max_bad:
            shown = ", ".join(bad[:5]) + (", ..." if len(bad) > 5 else "")
            raise DataError(
                f"{len(bad)} pictures cannot be read, more than max_bad = {self._max_bad}: {shown}; "
                "repair or remove them, or raise max_bad"
            )
