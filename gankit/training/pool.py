"""The history of generated pictures from which a critic's fakes are drawn."""

from __future__ import annotations

import random
from collections.abc import Mapping
from typing import Protocol, TypeVar, cast

import torch
from torch import Tensor

Entry = TypeVar("Entry", Tensor, tuple[Tensor, ...])


class Draws(Protocol):
    """What the pool needs of a source of random numbers: the module `random`, or a `random.Random`."""

    def uniform(self, a: float, b: float) -> float: ...
    def randint(self, a: int, b: int) -> int: ...


class ImagePool:
    """Shows a critic older fakes half of the time (arXiv 1612.07828; CycleGAN's settings: 50 pictures).

    Per picture: while the pool fills up, the picture is stored and returned, without a draw. Once it is full, with
    probability 0.5 a random stored picture is returned and the new one takes its place; else the new one is returned.
    size 0 returns everything as it came. rng: where the draws come from; its state is the caller's to save.
    What is returned is detached. Stored pictures stay on the device that they came from.
    """

    def __init__(self, size: int, rng: Draws = random) -> None:
        if size < 0:
            raise ValueError(f"the size of an image pool must be 0 at least, not {size}")
        self.size = size
        self.rng = rng
        self.entries: list[tuple[Tensor, ...]] = []

    def query(self, images: Entry) -> Entry:
        """A batch (N, ...), or a tuple of batches that belong together (pictures, masks) -> what a critic is shown."""
        parts = tuple(p.detach() for p in ((images,) if isinstance(images, Tensor) else images))
        if self.size > 0:
            chosen = [self._exchange(tuple(part[i] for part in parts)) for i in range(len(parts[0]))]
            parts = tuple(torch.stack(same) for same in zip(*chosen, strict=True))
        return cast(Entry, parts[0] if isinstance(images, Tensor) else parts)

    def _exchange(self, new: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Take in one picture, give one out."""
        if len(self.entries) < self.size:
            self.entries.append(_own(new))
            return new
        if self.rng.uniform(0, 1) <= 0.5:
            return new
        index = self.rng.randint(0, self.size - 1)
        old, self.entries[index] = self.entries[index], _own(new)
        return tuple(o.to(n) for o, n in zip(old, new, strict=True))  # after a resume, entries lie on the CPU

    def __len__(self) -> int:
        return len(self.entries)

    def state_dict(self) -> dict[str, Tensor]:
        """`count`, and under `entry.part` each stored tensor: all that is needed to go on exactly, without pickle."""
        state = {"count": torch.tensor(len(self.entries))}
        return state | {f"{i}.{j}": part for i, entry in enumerate(self.entries) for j, part in enumerate(entry)}

    def load_state_dict(self, state: Mapping[str, Tensor]) -> None:
        """Take over what `state_dict` gave. ValueError when it is not whole or holds more than this pool may."""
        count = int(state["count"]) if "count" in state else -1
        if not 0 <= count <= self.size:
            raise ValueError(f"this state does not fit an image pool of size {self.size}: its count is {count}")
        parts = (len(state) - 1) // count if count else 0
        names = [[f"{i}.{j}" for j in range(parts)] for i in range(count)]
        if {"count", *(n for row in names for n in row)} != set(state):
            raise ValueError(
                f"the state of an image pool with {count} entries has other keys: {', '.join(sorted(state))}"
            )
        self.entries = [_own(tuple(state[name] for name in row)) for row in names]


def _own(parts: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
    """Copies, so that the rest of the batch can be freed and nobody writes into the pool."""
    return tuple(part.detach().clone() for part in parts)
