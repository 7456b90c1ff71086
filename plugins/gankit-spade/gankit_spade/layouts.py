"""Drawn label maps, and the pictures that follow from them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import numpy as np
import torch
from torch import Tensor

from gankit.data import Drawn
from gankit.fields import Field, Picture, Segmentation
from gankit.slots import Ge, Le

SKY, GROUND, HILL, HOUSE, TREE, LAKE = range(6)
CLASSES = ("sky", "ground", "hill", "house", "tree", "lake")
BASE = np.array(
    [
        (-0.30, 0.10, 0.60),
        (0.10, 0.30, -0.45),
        (-0.35, -0.10, -0.40),
        (0.45, -0.20, -0.25),
        (-0.45, 0.20, -0.50),
        (-0.50, -0.15, 0.30),
    ]
)
"""The colour of each class, in [-1, 1]."""
STREAMS = {"train": 0, "test": 1}


class Layouts(Drawn):
    """Landscapes of six classes with the picture that each map determines: a rim, courses of bricks, ripples.

    What a pixel looks like depends on its class and on how far the upper and the left end of its stretch of that class
    are, so that a network which sees a few pixels around can draw it, and one colour a class cannot. Item i is a
    function of (`seed`, split, i):

    - `a`: the map (6, size, size), 1 at the class of each pixel;
    - `b`: the picture (3, size, size) in [-1, 1].

    size: side in pixels. train, test: how many maps. seed: of the drawing; the splits are disjoint streams of it.
    grain: deviation of the noise on every pixel, in levels of [-1, 1]: what nobody can know. gankit's own.
    """

    paired: ClassVar[bool] = True
    fields: ClassVar[Mapping[str, Field]] = {"a": Segmentation(len(CLASSES), of="b"), "b": Picture(3)}

    def __init__(
        self,
        *,
        size: Annotated[int, Ge(16)] = 64,
        train: Annotated[int, Ge(1)] = 500,
        test: Annotated[int, Ge(1)] = 100,
        seed: Annotated[int, Ge(0)] = 0,
        grain: Annotated[float, Ge(0), Le(0.5)] = 0.02,
    ) -> None:
        self.size, self.seed, self.grain = size, seed, grain
        self._counts = {"train": train, "test": test}
        self._enter("train")

    def __repr__(self) -> str:
        return f"Layouts({self._split}, {len(self)} maps, {self.size} px, seed {self.seed})"

    def item(self, index: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The fields of item `index`; nothing is random, so `generator` is not used."""
        self.check(index)
        rng = np.random.default_rng((self.seed, STREAMS[self._split], index))
        classes = draw_map(rng, self.size)
        picture = paint(classes) + self.grain * rng.standard_normal((*classes.shape, 3))
        onehot = self.fields["a"].of_pixels(torch.from_numpy(classes)[None])
        return {"a": onehot, "b": torch.from_numpy(picture).permute(2, 0, 1).float().clamp(-1, 1)}


def draw_map(rng: np.random.Generator, size: int) -> np.ndarray:
    """(size, size) uint8: the class of each pixel."""
    y, x = np.mgrid[:size, :size] / size
    horizon = rng.uniform(0.35, 0.6)
    classes = np.where(y < horizon, SKY, GROUND).astype(np.uint8)
    for _ in range(rng.integers(1, 3)):
        middle, wide, high = rng.uniform(0, 1), rng.uniform(0.15, 0.35), rng.uniform(0.1, 0.3)
        classes[(y < horizon) & (y > horizon - high * np.exp(-(((x - middle) / wide) ** 2)))] = HILL
    if rng.uniform() < 0.7:
        cx, cy, a, b = rng.uniform(0.2, 0.8), rng.uniform(0.75, 0.9), rng.uniform(0.15, 0.3), rng.uniform(0.06, 0.12)
        classes[((x - cx) / a) ** 2 + ((y - cy) / b) ** 2 < 1] = LAKE
    for _ in range(rng.integers(1, 4)):
        left, foot = rng.uniform(0, 0.8), rng.uniform(horizon + 0.05, horizon + 0.25)
        wide, high = rng.uniform(0.12, 0.25), rng.uniform(0.12, 0.3)
        classes[(x >= left) & (x < left + wide) & (y >= foot - high) & (y < foot)] = HOUSE
    for _ in range(rng.integers(1, 5)):
        cx, cy, r = rng.uniform(0, 1), rng.uniform(horizon - 0.1, horizon + 0.25), rng.uniform(0.06, 0.12)
        classes[(x - cx) ** 2 + (y - cy) ** 2 < r**2] = TREE
    return classes


def paint(classes: np.ndarray) -> np.ndarray:
    """(H, W) classes -> (H, W, 3) in [-1, 1], before the grain."""
    below, beside = since(classes), since(classes.T).T
    shade = np.select(
        [classes == k for k in range(len(CLASSES))],
        [
            0.3 * np.exp(-below / 8),
            0.25 * np.cos(np.pi * below / 3) * np.exp(-below / 12),
            -0.3 * np.exp(-below / 5),
            np.where(below % 4 < 2, 0.22, -0.22) * np.where((beside + 2 * (below // 4 % 2)) % 6 < 1, -0.5, 1),
            0.5 * np.exp(-beside / 4) - 0.2,
            0.25 * np.cos(np.pi * below / 2),
        ],
    )
    return np.clip(BASE[classes] + shade[..., None] * np.array([1.0, 0.9, 0.7]), -1, 1)


def since(classes: np.ndarray) -> np.ndarray:
    """How many pixels above, without a break, are of the pixel's own class."""
    count = np.zeros(classes.shape)
    for row in range(1, len(classes)):
        count[row] = np.where(classes[row] == classes[row - 1], count[row - 1] + 1, 0)
    return count
