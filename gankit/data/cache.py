"""A memory of uint8 entries that forked loader workers share."""

from __future__ import annotations

import mmap
from collections.abc import Callable, Sequence
from math import prod

import numpy as np
import torch
from torch import Tensor


class Cache:
    """Keeps uint8 tensors of shapes known beforehand; each is made once and then read from memory.

    The memory is an anonymous shared map: it takes RAM only as entries are written, forked workers fill and read one
    copy across epochs, and the size of /dev/shm does not matter. Where workers are not forked (spawn, forkserver)
    each starts with an empty cache of its own: slower, never wrong. Two workers that make one entry at the same
    time write the same bytes, and the flag is set after them.
    """

    def __init__(self, shapes: Sequence[Sequence[int]]):
        self._shapes = [tuple(shape) for shape in shapes]
        sizes = [prod(shape) for shape in self._shapes]
        self._offsets = [0, *np.cumsum(sizes, dtype=np.int64).tolist()]
        self._allocate()

    def _allocate(self) -> None:
        self._ready = shared_bytes(len(self._shapes))
        self._bytes = shared_bytes(self._offsets[-1])

    def __getstate__(self) -> dict[str, list]:
        return {"_shapes": self._shapes, "_offsets": self._offsets}

    def __setstate__(self, state: dict[str, list]) -> None:
        self.__dict__.update(state)
        self._allocate()

    def get(self, key: int, make: Callable[[], Tensor]) -> Tensor:
        """Entry `key`, not to be written to; `make` is called when it is not here yet, and may raise."""
        start, stop, shape = self._offsets[key], self._offsets[key + 1], self._shapes[key]
        if not self._ready[key]:
            self._bytes[start:stop] = make().numpy().reshape(-1)
            self._ready[key] = 1
        return torch.from_numpy(self._bytes[start:stop]).view(shape)


def shared_bytes(count: int) -> np.ndarray:
    """Zeros that this process and those forked from it read and write together."""
    return np.frombuffer(mmap.mmap(-1, max(count, 1)), dtype=np.uint8)[:count]
