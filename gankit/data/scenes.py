"""Drawing of the built-in scenes: textured backgrounds with one to three objects, in two renderings.

Lengths are in units of the picture's side, colours in [0, 1], so that a scene, its grain apart, is the same at every
size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

Task = Literal["texture", "geometry"]
Domain = Literal["a", "b"]
Colour = tuple[float, float, float]

SUPERSAMPLING = 3
STRIPE_CONTRAST = 0.4  # a stripe is this much lighter or darker than the plain object: their mean is the plain colour
STRIPE_TURN, STRIPE_PERIOD = np.pi / 4, 6 / 64  # one material: only the phase is each object's own
GRAIN = 0.25  # of every pixel: finer than stripes, so that it is neither taken for them nor for a plain object
STAR_POINTS, STAR_INNER = 5, 0.42


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


@dataclass(frozen=True)
class Rendering:
    """picture: (3, S, S) uint8; mask: (1, S, S) uint8, 1 where an object is drawn."""

    picture: Tensor
    mask: Tensor


def draw_scene(rng: np.random.Generator, task: Task, size: int) -> dict[Domain, Rendering]:
    """One scene, drawn as domain a and as domain b: same background, same objects."""
    colours = draw_colour(rng), draw_colour(rng)
    background = draw_background(rng, size, *colours)
    shapes = [draw_shape(rng, task, colours) for _ in range(int(rng.integers(1, 4)))]
    return render(background, shapes, task)


def draw_colour(rng: np.random.Generator) -> Colour:
    """The one distribution of the colours of objects and backgrounds; leaves room for the stripes on both sides."""
    red, green, blue = rng.uniform(STRIPE_CONTRAST, 1 - STRIPE_CONTRAST, 3)
    return float(red), float(green), float(blue)


def draw_background(rng: np.random.Generator, size: int, first: Colour, second: Colour) -> np.ndarray:
    """(S, S, 3): two colours mixed in blotches, under a grain in which every part of the picture differs."""
    blend = np.clip(0.5 + _noise(rng, 5, size) + 0.7 * _noise(rng, 11, size), 0, 1)[..., None]
    grain = GRAIN * rng.spawn(1)[0].uniform(-1, 1, (size, size, 1))  # of its own stream: the size changes nothing else
    return np.clip(np.array(first) * (1 - blend) + np.array(second) * blend + grain, 0, 1)


def _noise(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    """(S, S) smooth noise about 0, of `cells` random values a side."""
    grid = torch.from_numpy(rng.uniform(-1, 1, (1, 1, cells, cells)))
    return F.interpolate(grid, size=(size, size), mode="bilinear", align_corners=True)[0, 0].numpy()


def draw_shape(rng: np.random.Generator, task: Task, background: tuple[Colour, Colour]) -> Shape:
    """An object of random place, size, turn and colour, wholly inside the picture.

    One in three has a colour of its own background, so that colour alone does not find the objects.
    """
    radius = rng.uniform(0.22, 0.32)
    x, y = rng.uniform(radius, 1 - radius, 2)
    turn, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.0)
    points = int(rng.choice([0, 5, 6]))
    inner = float(np.cos(np.pi / points)) if points else 1.0
    if task == "geometry":
        points, inner, stretch = STAR_POINTS, STAR_INNER, 1.0
    colour = background[rng.integers(2)] if rng.uniform() < 1 / 3 else draw_colour(rng)
    return Shape(x, y, radius, turn, stretch, points, inner, colour, stripe_phase=rng.uniform())


def render(background: np.ndarray, shapes: list[Shape], task: Task) -> dict[Domain, Rendering]:
    """Paint the shapes over the background in their order: plain and striped, or as discs and as stars."""
    pictures: dict[Domain, np.ndarray] = {"a": background.copy(), "b": background.copy()}
    masks: dict[Domain, np.ndarray] = {domain: np.zeros(background.shape[:2], np.uint8) for domain in pictures}
    for shape in shapes:
        own = _stamp(shape, len(background))
        other = own if task == "texture" else _stamp(replace(shape, points=0), len(background))
        _paint(pictures["a"], masks["a"], other, shape, striped=False)
        _paint(pictures["b"], masks["b"], own, shape, striped=task == "texture")
    return {domain: _rendering(pictures[domain], masks[domain]) for domain in pictures}


def _rendering(picture: np.ndarray, mask: np.ndarray) -> Rendering:
    quantised = torch.from_numpy(np.rint(picture * 255).astype(np.uint8))
    return Rendering(quantised.permute(2, 0, 1).contiguous(), torch.from_numpy(mask)[None])


class Stamp(NamedTuple):
    """A shape on the pixel grid: where it lies, how much it covers of each pixel there, and its stripes, -1 to 1."""

    region: tuple[slice, slice]
    coverage: np.ndarray
    stripes: np.ndarray


def _stamp(shape: Shape, size: int) -> Stamp:
    """Each pixel is sampled SUPERSAMPLING x SUPERSAMPLING times."""
    left, right = _span(shape.x, shape.radius, size)
    top, bottom = _span(shape.y, shape.radius, size)
    x = _samples(left, right, size)[None, :] - shape.x
    y = _samples(top, bottom, size)[:, None] - shape.y
    inside = _inside(x, y, shape)
    coverage = _pixel_mean(inside)
    stripes = _pixel_mean(_stripes(x, y, shape) * inside) / np.maximum(coverage, 0.5)
    return Stamp((slice(top, bottom), slice(left, right)), coverage, stripes)


def _paint(picture: np.ndarray, mask: np.ndarray, stamp: Stamp, shape: Shape, striped: bool) -> None:
    """Blend one shape into the picture, in place.

    A pixel that is covered less than half stays background untouched, so that the mask says exactly which pixels an
    object may change.
    """
    covered = stamp.coverage >= 0.5
    opacity = np.where(covered, stamp.coverage, 0)[..., None]
    contrast = STRIPE_CONTRAST if striped else 0
    colour = np.clip(np.array(shape.colour) + contrast * stamp.stripes[..., None], 0, 1)
    picture[stamp.region] = picture[stamp.region] * (1 - opacity) + colour * opacity
    mask[stamp.region] |= covered


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
