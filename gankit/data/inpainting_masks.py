"""Holes drawn to a given share of the picture, and those of a folder."""

from __future__ import annotations

import math
from collections.abc import Collection
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.codecs.image import Image8
from gankit.codecs.masks import read_mask
from gankit.data.disk_cache import identity
from gankit.data.folder import read_headers, sized
from gankit.data.images import list_images
from gankit.data.keeping import Keeping
from gankit.data.samples import Samples
from gankit.data.straight_masks import SIDES, Grid, Side, border, centre, rectangles

Drawing = Literal["strokes", "noise", "rectangles", "centre", "border"]


def draw_hole(
    height: int,
    width: int,
    share: tuple[float, float],
    generator: torch.Generator,
    drawing: Drawing = "strokes",
    number: int = 1,
    sides: Collection[Side] = SIDES,
) -> Tensor:
    """A hole (1, height, width), 1 = hole, whose share of the picture lies within `share`, drawn from the generator.

    strokes: lines of a brush that wander and turn. noise: what is highest in coarse smooth noise, as LBAM's masks. The
    share itself is drawn uniformly, and met by the pixel. Of straight sides, which meet it as nearly as whole rows and
    columns allow: `number` rectangles, a box in the centre, a border along `sides`. Raises ValueError for a share that
    cannot be met.
    """
    least, most = count_within(height, width, share, by_pixel=drawing in ("strokes", "noise"))
    rng = np.random.default_rng(int(torch.randint(2**62, (1,), generator=generator).item()))
    wanted = int(np.clip(round(rng.uniform(*share) * height * width), least, most))
    bounds = (least, wanted, most)
    if drawing == "strokes":
        hole = _strokes(height, width, wanted, rng)
    elif drawing == "noise":
        hole = _noise(height, width, wanted, rng)
    elif drawing == "rectangles":
        hole = rectangles(height, width, bounds, number, rng)
    elif drawing == "centre":
        hole = centre(height, width, bounds)
    else:
        hole = border(height, width, bounds, sides)
    return torch.from_numpy(hole)[None].float()


def count_within(height: int, width: int, share: tuple[float, float], by_pixel: bool = True) -> tuple[int, int]:
    """The least and the greatest number of pixels within a share; not by the pixel: rounded outwards. Raises ValueError
    when there is none."""
    low, high = share
    pixels = height * width
    least, most = math.ceil(low * pixels - 1e-9), math.floor(high * pixels + 1e-9)
    if not by_pixel:
        least, most = math.floor(low * pixels), math.ceil(high * pixels)
    if not 0 <= low <= high <= 1 or least > most:
        raise ValueError(f"no hole in {width} x {height} px takes a share from {low:g} to {high:g} of them")
    return least, most


def _strokes(height: int, width: int, wanted: int, rng: np.random.Generator) -> Grid:
    hole = np.zeros((height, width), dtype=bool)
    missing, side = wanted, min(height, width)
    while missing > 0:
        free = np.flatnonzero(~hole)  # each stroke begins on a free pixel, so that each takes one at least
        y, x = divmod(float(free[rng.integers(len(free))]), width)
        angle, radius = rng.uniform(0, 2 * math.pi), max(0.5, side * rng.uniform(0.015, 0.06))
        for _ in range(rng.integers(4, 14)):  # straight pieces
            angle += rng.normal(0, 0.9)
            for _ in range(rng.integers(2, 9)):  # dabs, a radius apart
                missing -= _dab(hole, y, x, radius, missing)
                y, x = y + radius * math.sin(angle), x + radius * math.cos(angle)
                if missing <= 0 or not (0 <= y < height and 0 <= x < width):
                    break
            if missing <= 0 or not (0 <= y < height and 0 <= x < width):
                break
    return hole


def _dab(hole: Grid, y: float, x: float, radius: float, at_most: int) -> int:
    """Press the brush at a place: the free pixels within the radius, the nearest first; returns how many."""
    top, left = max(0, math.floor(y - radius)), max(0, math.floor(x - radius))
    window = hole[top : math.ceil(y + radius) + 1, left : math.ceil(x + radius) + 1]
    rows, columns = np.ogrid[top : top + window.shape[0], left : left + window.shape[1]]
    distance = (rows - y) ** 2 + (columns - x) ** 2
    pixels = np.flatnonzero((distance <= radius**2) & ~window)
    if len(pixels) > at_most:
        pixels = pixels[np.argsort(distance.ravel()[pixels], kind="stable")[:at_most]]
    window[np.unravel_index(pixels, window.shape)] = True
    return len(pixels)


def _noise(height: int, width: int, wanted: int, rng: np.random.Generator) -> Grid:
    coarse = torch.from_numpy(rng.random((1, 1, 8, 8), dtype=np.float32))  # 8 cells, as in LBAM's generateMask.py
    smooth = F.interpolate(coarse, (height, width), mode="bilinear", align_corners=False).flatten().numpy()
    hole = np.zeros(height * width, dtype=bool)
    hole[np.argsort(-smooth, kind="stable")[:wanted]] = True
    return hole.reshape(height, width)


class Masks:
    """The masks of a folder and its subfolders, white = hole (see `gankit.codecs.masks`), in the order of their names.

    Raises DataError at once if the folder is missing or empty, or more than `max_bad` headers are broken. A mask that
    is all of one grey is a broken one.
    """

    def __init__(self, folder: Path, max_bad: int, keeping: Keeping):
        headers = read_headers(list_images(folder), Image8())
        self._sizes = list(headers.sizes.items())
        shapes = [(1, *size) for size in headers.sizes.values()]
        names = [str(path) for path in headers.sizes]
        self._samples = Samples(names, shapes, self._make, self._describe, max_bad, keeping, headers.left_out)
        self._samples.find(0)  # what is to be told of these masks is told now, not by each worker

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def paths(self) -> list[Path]:
        """The files, in the order of the masks."""
        return [path for path, _ in self._sizes]

    def _make(self, index: int) -> Tensor:
        path, size = self._sizes[index]
        return sized(path, read_mask(path), size).to(torch.uint8)

    def _describe(self, index: int) -> str:
        return repr((identity(self._sizes[index][0]), "mask"))

    def hole(self, index: int, height: int, width: int) -> Tensor:
        """(1, height, width), 1 = hole: the mask brought to this size without smoothing."""
        _, mask = self._samples.find(index)
        if mask.shape[1:] != (height, width):
            mask = F.interpolate(mask[None].float(), (height, width), mode="nearest-exact")[0]
        return mask.float()
