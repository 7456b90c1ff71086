"""Holes with straight sides: rectangles anywhere, a box in the middle, borders beyond which to paint on."""

from __future__ import annotations

from collections.abc import Callable, Collection
from typing import Literal

import numpy as np
from numpy.typing import NDArray

Grid = NDArray[np.bool_]
Side = Literal["left", "right", "top", "bottom"]
SIDES: tuple[Side, ...] = ("left", "right", "top", "bottom")


def rectangles(height: int, width: int, bounds: tuple[int, int, int], number: int, rng: np.random.Generator) -> Grid:
    """So many rectangles inside the picture, which may overlap, with sides of 1 : 2 to 2 : 1 of its own ratio.

    bounds: of the pixels that the hole takes, see `_grown`.
    """
    places, sides = rng.random((number, 2)), rng.uniform(0.5, 1, (number, 2))
    return _grown(lambda scale: _filled(height, width, places, 2 * scale * sides), bounds)


def centre(height: int, width: int, bounds: tuple[int, int, int]) -> Grid:
    """A box in the middle, of the picture's own ratio."""
    middle = np.full((1, 2), 0.5)
    return _grown(lambda scale: _filled(height, width, middle, scale * np.ones((1, 2))), bounds)


def border(height: int, width: int, bounds: tuple[int, int, int], sides: Collection[Side]) -> Grid:
    """Strips along some sides, each of the same part of the picture's height or width."""

    def strips(scale: float) -> Grid:
        hole = np.ones((height, width), dtype=bool)
        left, right = (round(scale * width) if side in sides else 0 for side in ("left", "right"))
        top, bottom = (round(scale * height) if side in sides else 0 for side in ("top", "bottom"))
        hole[top : max(height - bottom, 0), left : max(width - right, 0)] = False
        return hole

    return _grown(strips, bounds)


def _filled(height: int, width: int, places: NDArray[np.float64], sides: NDArray[np.float64]) -> Grid:
    """Rectangles with sides (n, 2) of the picture's, 1 at most, at places (n, 2), from 0, top or left, to 1."""
    size = np.array([height, width])
    sides = np.minimum(sides, 1)
    start = places * (1 - sides)
    hole = np.zeros((height, width), dtype=bool)
    for (top, left), (bottom, right) in zip(np.rint(start * size), np.rint((start + sides) * size), strict=True):
        hole[int(top) : int(bottom), int(left) : int(right)] = True
    return hole


def _grown(shape: Callable[[float], Grid], bounds: tuple[int, int, int]) -> Grid:
    """The shape, which grows from nothing to the whole picture as its argument goes from 0 to 1, of so many pixels.

    bounds: (least, wanted, most) pixels; the wanted number is met as nearly as whole rows and columns allow. Raises
    ValueError where there is nothing between an empty hole and the whole picture.
    """
    least, wanted, most = bounds
    low, high = 0.0, 1.0
    for _ in range(24):  # halvings: finer than any row
        middle = (low + high) / 2
        low, high = (middle, high) if shape(middle).sum() <= wanted else (low, middle)
    holes = [hole for hole in map(shape, (low, high)) if 0 < hole.sum() < hole.size]
    if not holes:
        height, width = shape(low).shape
        raise ValueError(f"in {width} x {height} px there is no room for such a hole beside what is known")
    return min(holes, key=lambda hole: (not least <= hole.sum() <= most, abs(int(hole.sum()) - wanted)))
