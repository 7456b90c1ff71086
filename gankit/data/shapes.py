"""The built-in data set: two domains of drawn scenes, with the truth beside them. Nothing is downloaded."""

from __future__ import annotations

import copy
from typing import Annotated

import numpy as np
import torch
from annotated_types import Ge
from torch import Tensor

from gankit.data.cache import Cache
from gankit.data.dataset import Split
from gankit.data.scenes import Domain, Task, draw_scene


class Shapes:
    """Scenes of one to three objects on a textured background, drawn from a seed, unpaired but with known truth.

    `texture`: plain objects (a) against the same kinds of objects striped (b); the plain colour is the mean of its
    stripes. `geometry`: discs (a) against stars of the same place, size and colour (b). The backgrounds of both
    domains come from one distribution, and so do all colours, so that neither betrays the domain or the object.

    Item i holds scene i of domain a and an independent scene of domain b; every field is a pure function of
    (`seed`, split, i):

    - `a`, `b`: (3, size, size) in [-1, 1];
    - `mask_a`, `mask_b`: (1, size, size) in {0, 1}: the pixels of the picture that belong to an object. A pixel
      covered less than half is background and holds no trace of the object;
    - `truth_a2b`, `truth_b2a`: (3, size, size) in [-1, 1]: the same scene drawn the other way. Outside the mask it
      equals the picture exactly; in `geometry`, where a disc is larger than its star, outside both silhouettes.

    task: what differs between the domains. size: side in pixels. train, test: scenes in each split. seed: of the
    drawing; the splits are disjoint streams of it. cache: keep drawn scenes in RAM (14 * size**2 bytes an item).
    """

    def __init__(
        self,
        *,
        task: Task = "texture",
        size: Annotated[int, Ge(16)] = 64,
        train: Annotated[int, Ge(1)] = 2000,
        test: Annotated[int, Ge(1)] = 200,
        seed: Annotated[int, Ge(0)] = 0,
        cache: bool = True,
    ):
        self.channels: dict[str, int] = {"a": 3, "b": 3}
        self.task: Task = task
        self.size = size
        self.seed = seed
        self._counts = {"train": train, "test": test}
        self._cached = cache
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        shape = (7, self.size, self.size)
        self._cache = Cache([shape] * (2 * len(self))) if self._cached else None

    def split(self, name: Split) -> Shapes:
        """The same data set's "train" or "test" scenes."""
        other = copy.copy(self)
        other._enter(name)
        return other

    def __len__(self) -> int:
        return self._counts[self._split]

    def __repr__(self) -> str:
        return f"Shapes({self.task}, {self._split}, {len(self)} scenes a domain, {self.size} px, seed {self.seed})"

    def item(self, index: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The fields of item `index`; nothing is random, so `generator` is not used."""
        if not 0 <= index < len(self):
            raise IndexError(f"item {index} of {len(self)}")
        a, b = self._scene("a", index), self._scene("b", index)
        return {
            "a": a[:3] / 127.5 - 1,
            "b": b[:3] / 127.5 - 1,
            "mask_a": a[6:].float(),
            "mask_b": b[6:].float(),
            "truth_a2b": a[3:6] / 127.5 - 1,
            "truth_b2a": b[3:6] / 127.5 - 1,
        }

    def _scene(self, domain: Domain, index: int) -> Tensor:
        """(7, S, S) uint8: the picture, its counterpart, its mask."""
        if self._cache is None:
            return self._draw(domain, index)
        key = index + (len(self) if domain == "b" else 0)
        return self._cache.get(key, lambda: self._draw(domain, index))

    def _draw(self, domain: Domain, index: int) -> Tensor:
        stream = (self.seed, ("train", "test").index(self._split), ("a", "b").index(domain), index)
        scene = draw_scene(np.random.default_rng(stream), self.task, self.size)
        shown, other = scene[domain], scene["b" if domain == "a" else "a"]
        return torch.cat([shown.picture, other.picture, shown.mask])
