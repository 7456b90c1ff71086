"""Shapes on the pixel grid: what a disc, a star or a polygon covers of each pixel, and its stripes.

Lengths are in units of the picture's side.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

Colour = tuple[float, float, float]

SUPERSAMPLING = 3
STRIPE_TURN, STRIPE_PERIOD = np.pi / 4, 6 / 64  # one material: only the phase is each object's own


@dataclass(frozen=True)
class Shape:
    """A disc (`points` 0) or a star; a star whose inner radius is cos(pi / points) is a regular polygon."""

    x: float
    y: float
    radius: float
    turn: float  # radians
    stretch: float  # height over width before the turn
    points: int
    inner: float
    colour: Colour
    stripe_phase: float


class Stamp(NamedTuple):
    """A shape on the pixel grid: where it lies, how much it covers of each pixel there, and its stripes, -1 to 1."""

    region: tuple[slice, slice]
    coverage: np.ndarray
    stripes: np.ndarray


def stamp(shape: Shape, size: int) -> Stamp:
    """Each pixel is sampled SUPERSAMPLING x SUPERSAMPLING times."""
    left, right = _span(shape.x, shape.radius, size)
    top, bottom = _span(shape.y, shape.radius, size)
    x = _samples(left, right, size)[None, :] - shape.x
    y = _samples(top, bottom, size)[:, None] - shape.y
    inside = _inside(x, y, shape)
    coverage = _pixel_mean(inside)
    stripes = _pixel_mean(_stripes(x, y, shape) * inside) / np.maximum(coverage, 0.5)
    return Stamp((slice(top, bottom), slice(left, right)), coverage, stripes)


def _span(centre: float, radius: float, size: int) -> tuple[int, int]:
    return max(int((centre - radius) * size) - 1, 0), min(int((centre + radius) * size) + 2, size)


def _samples(start: int, stop: int, size: int) -> np.ndarray:
    count = (stop - start) * SUPERSAMPLING
    return ((start + (np.arange(count) + 0.5) / SUPERSAMPLING) / size).astype(np.float32)


def _inside(x: np.ndarray, y: np.ndarray, shape: Shape) -> np.ndarray:
    cos, sin = np.cos(shape.turn), np.sin(shape.turn)
    u, v = cos * x + sin * y, (cos * y - sin * x) / shape.stretch
    distance = np.hypot(u, v) / shape.radius
    if shape.points == 0:
        return distance <= 1
    # By symmetry one edge decides: from the tip (1, 0) to the inner corner, in the sector of half a point.
    half = np.pi / shape.points
    angle = np.abs((np.arctan2(v, u) + half) % (2 * half) - half)
    corner_x, corner_y = shape.inner * np.cos(half), shape.inner * np.sin(half)
    edge = corner_y * (distance * np.cos(angle) - 1) + (1 - corner_x) * distance * np.sin(angle)
    return edge <= 0


def _stripes(x: np.ndarray, y: np.ndarray, shape: Shape) -> np.ndarray:
    """A square wave of -1 and 1 across the shape."""
    across = np.cos(STRIPE_TURN) * x + np.sin(STRIPE_TURN) * y
    return np.where((across / STRIPE_PERIOD + shape.stripe_phase) % 1 < 0.5, 1.0, -1.0)


def _pixel_mean(samples: np.ndarray) -> np.ndarray:
    height, width = (side // SUPERSAMPLING for side in samples.shape)
    return samples.reshape(height, SUPERSAMPLING, width, SUPERSAMPLING).mean(axis=(1, 3))
