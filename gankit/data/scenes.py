"""Drawing of the built-in scenes: a background with one to three objects, in two renderings, one for each domain.

Each task has a counterpart that follows from the picture, and from what a local network sees of it, in both directions
(in `light` from b to a, in `noise` from a to b); and its two domains differ in their distribution, so that unpaired
pictures tell which counterpart is meant. Lengths are in units of the picture's side, colours in [0, 1], so that a
scene, its grain and noise apart, is the same at every size.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.data.stamps import Colour, Shape, Stamp, stamp

Task = Literal["texture", "geometry", "colour", "season", "light", "noise", "mixed"]
Domain = Literal["a", "b"]

LOW, HIGH = 0.22, 0.78  # of colours: stripes stay inside of [0, 1] on both sides
FAINT, STRONG = 0.05, 0.22  # contrasts of stripes: a stripe is this much lighter or darker than its object
STAR_POINTS, STAR_INNER, UPRIGHT = 5, 0.5, -np.pi / 2
CHROMA, HUES, HUE_TURN = 0.24, 2 * np.pi / 3, np.pi / 3
"""Of coloured objects: their distance from grey; the range of a's hues, about red; how much further those of b are."""
DARK, BRIGHT = (0.15, 0.5), (0.6, 0.95)
"""The greys of grounds and of objects in `light`: were they alike, negatives would be as good a translation."""
RESHAPED: tuple[Task, ...] = ("geometry", "mixed")
"""The tasks in which outlines change. Their grounds are even: what a disc hides follows from what is around it."""
NIGHT, LIT, LEAST = (0.05, 0.35), (0.3, 0.95), 0.1
"""Of `geometry`: the greys of grounds and of objects, and how much lighter an object is at least. So outlines look
alike."""
NOISE = 0.15
"""Of `noise`: the standard deviation, channel by channel, on the objects of a."""
SUMMER, AUTUMN = np.array([1.0, 1.0, 0.85]), np.array([0.8, 0.8, 1.0])
"""The light of the two seasons, by which every colour is multiplied."""


@dataclass(frozen=True)
class Rendering:
    """picture: (3, S, S) uint8; mask: (1, S, S) uint8, 1 where an object is drawn."""

    picture: Tensor
    mask: Tensor


class Look(NamedTuple):
    """What an object is painted as in one domain."""

    stamp: Stamp
    colour: np.ndarray
    contrast: float


def draw_scene(
    rng: np.random.Generator,
    task: Task,
    size: int,
    grain: float = 0.03,
    distractors: int = 0,
    light: Colour | None = None,
) -> dict[Domain, Rendering]:
    """One scene, drawn as domain a and as domain b.

    distractors: squares that are the same in both. light: that of domain b in the task `light`; else it is drawn.
    """
    palette = draw_colour(rng, task), draw_colour(rng, task)
    background = draw_background(rng, size, *palette, grain, even=task in RESHAPED)
    shapes = [draw_shape(rng, task, palette) for _ in range(int(rng.integers(1, 4)))]
    if task in RESHAPED:
        shapes = apart(shapes)
    squares = [draw_square(rng, palette) for _ in range(distractors)]
    noise = NOISE * rng.spawn(1)[0].standard_normal(background.shape) if task == "noise" else None
    return render(background, shapes, task, squares, light or draw_light(rng), noise)


# -- what is drawn ---------------------------------------------------------------------------------------------------
def draw_colour(rng: np.random.Generator, task: Task) -> Colour:
    """The one distribution of the colours of backgrounds, and of most objects. In `season` they are those of leaves, in
    `light` and `geometry` dark greys."""
    red, green, blue = rng.uniform(LOW, HIGH, 3)
    if task in ("light", "geometry"):
        red = green = blue = rng.uniform(*(DARK if task == "light" else NIGHT))
    if task == "season":
        red = rng.uniform(0.05, 0.65)
        green, blue = red + rng.uniform(0.1, 0.35), rng.uniform(0.05, 0.45)
    return float(red), float(green), float(blue)


def draw_violet(rng: np.random.Generator) -> Colour:
    """The colour of a season's objects, which no leaf has, so that a network can tell what turns from what stays.

    It is redder than green: with red and green exchanged, as leaves have them in autumn, no object would look right.
    """
    green = rng.uniform(LOW, 0.45)
    return float(green + rng.uniform(0.1, 0.3)), float(green), float(rng.uniform(0.55, HIGH))


def draw_light(rng: np.random.Generator) -> Colour:
    """A coloured light whose strongest channel is 1, so that what it falls on can be told back."""
    light = rng.uniform(0.2, 1, 3)
    red, green, blue = light / light.max()
    return float(red), float(green), float(blue)


def draw_hue(rng: np.random.Generator, spread: float) -> Colour:
    """A colour about red, from purple to yellow, and the lighter the nearer it is to yellow.

    So it has one counterpart: with the hues in the other order the light would be wrong. spread: of the colours, 1
    where they take all of [0, 1].
    """
    along = rng.uniform(-1, 1)
    light = 0.14 * along + rng.uniform(-0.12, 0.12)
    channels = (light + CHROMA * np.cos(HUES * along / 2 - channel * 2 * np.pi / 3) for channel in range(3))
    red, green, blue = (0.5 + spread * channel for channel in channels)
    return float(red), float(green), float(blue)


def turned(colour: Colour, angle: float) -> np.ndarray:
    """A colour with its hue turned about the axis of greys; the mean of its channels is kept."""
    shares = (1 + 2 * np.cos(angle - np.arange(3) * 2 * np.pi / 3)) / 3  # of this channel and those before it
    return np.array([sum(shares[i] * colour[channel - i] for i in range(3)) for channel in range(3)])


def draw_background(
    rng: np.random.Generator, size: int, first: Colour, second: Colour, grain: float = 0.03, even: bool = False
) -> np.ndarray:
    """(S, S, 3): two colours mixed in blotches, or if `even` from corner to corner, under a grain of each pixel."""
    blotches = 0.5 * _noise(rng, 2, size) if even else _noise(rng, 5, size) + 0.7 * _noise(rng, 11, size)
    blend = np.clip(0.5 + blotches, 0, 1)[..., None]
    noise = grain * rng.spawn(1)[0].uniform(-1, 1, (size, size, 1))  # of its own stream: the size changes nothing else
    return np.clip(np.array(first) * (1 - blend) + np.array(second) * blend + noise, 0, 1)


def _noise(rng: np.random.Generator, cells: int, size: int) -> np.ndarray:
    """(S, S) smooth noise about 0, of `cells` random values a side."""
    grid = torch.from_numpy(rng.uniform(-1, 1, (1, 1, cells, cells)))
    return F.interpolate(grid, size=(size, size), mode="bilinear", align_corners=True)[0, 0].numpy()


def draw_shape(rng: np.random.Generator, task: Task, palette: tuple[Colour, Colour]) -> Shape:
    """An object of random place, size and colour, wholly inside the picture; stars are upright, as discs tell no turn.

    In `texture` one in three has a colour of its own background, so that colour alone does not find the objects.
    """
    radius = rng.uniform(0.22, 0.32)
    x, y = rng.uniform(radius, 1 - radius, 2)
    turn, stretch = rng.uniform(0, 2 * np.pi), rng.uniform(0.75, 1.0)
    points = int(rng.choice([0, 5, 6]))
    inner = float(np.cos(np.pi / points)) if points else 1.0
    if task in RESHAPED:
        points, inner, turn, stretch = STAR_POINTS, STAR_INNER, UPRIGHT, 1.0
    colour = palette[rng.integers(2)] if rng.uniform() < 1 / 3 else draw_colour(rng, "texture")
    if task == "season":
        colour = draw_violet(rng)
    if task in ("light", "geometry"):
        tone = float(rng.uniform(*BRIGHT) if task == "light" else max(rng.uniform(*LIT), max(palette)[0] + LEAST))
        colour = tone, tone, tone
    if task in ("colour", "mixed"):
        colour = draw_hue(rng, spread=1 if task == "colour" else 0.9)
    return Shape(x, y, radius, turn, stretch, points, inner, colour, stripe_phase=rng.uniform())


def apart(shapes: list[Shape]) -> list[Shape]:
    """Those that touch none before them: what one hides, no network could draw in another form."""
    kept: list[Shape] = []
    for shape in shapes:
        if all(np.hypot(shape.x - o.x, shape.y - o.y) > shape.radius + o.radius for o in kept):
            kept.append(shape)
    return kept


def draw_square(rng: np.random.Generator, palette: tuple[Colour, Colour]) -> Shape:
    """A smaller object of four corners, which no task changes but for the light of a season."""
    radius = rng.uniform(0.1, 0.18)
    x, y = rng.uniform(radius, 1 - radius, 2)
    colour = palette[rng.integers(2)] if rng.uniform() < 1 / 3 else draw_colour(rng, "texture")
    return Shape(x, y, radius, np.pi / 4, 1.0, 4, float(np.cos(np.pi / 4)), colour, 0.0)


# -- the two domains -------------------------------------------------------------------------------------------------
def render(
    background: np.ndarray,
    shapes: list[Shape],
    task: Task,
    squares: list[Shape] | None = None,
    light: Colour = (1.0, 1.0, 1.0),
    noise: np.ndarray | None = None,
) -> dict[Domain, Rendering]:
    """Paint the distractors and then the objects over the background, in their order, as each domain shows them.

    noise: (S, S, 3), what is added to the objects of a.
    """
    drawn: dict[Domain, Rendering] = {}
    for domain in ("a", "b"):
        picture, mask = background.copy(), np.zeros(background.shape[:2], np.uint8)
        if task == "season" and domain == "b":
            picture = picture[..., [1, 0, 2]]  # leaves turn from green to red
        for square in squares or []:
            _paint(picture, np.zeros_like(mask), Look(stamp(square, len(background)), np.array(square.colour), 0))
        for shape in shapes:
            _paint(picture, mask, look(shape, task, domain, len(background)))
        if task == "season":
            picture = picture * (SUMMER if domain == "a" else AUTUMN)
        if task == "light":
            picture = picture[..., :1] * (np.ones(3) if domain == "a" else np.array(light))
        if noise is not None and domain == "a":
            picture = np.clip(picture + noise * mask[..., None], 0, 1)
        drawn[domain] = _rendering(picture, mask)
    return drawn


def look(shape: Shape, task: Task, domain: Domain, size: int) -> Look:
    """An object as a domain shows it, noise apart: a has discs, faint stripes, hues about red; b stars, strong stripes,
    hues about yellow. In `noise` the stripes of both are strong."""
    changed = domain == "b"
    outline = replace(shape, points=0) if task in RESHAPED and not changed else shape
    colour = turned(shape.colour, HUE_TURN) if task in ("colour", "mixed") and changed else np.array(shape.colour)
    contrast = STRONG if changed or task == "noise" else FAINT
    return Look(stamp(outline, size), colour, contrast if task in ("texture", "noise", "mixed") else 0.0)


def _paint(picture: np.ndarray, mask: np.ndarray, seen: Look) -> None:
    """Blend one object into the picture, in place.

    A pixel that is covered less than half stays background untouched, so that the mask says exactly which pixels an
    object may change.
    """
    place, covered = seen.stamp.region, seen.stamp.coverage >= 0.5
    opacity = np.where(covered, seen.stamp.coverage, 0)[..., None]
    colour = np.clip(seen.colour + seen.contrast * seen.stamp.stripes[..., None], 0, 1)
    picture[place] = picture[place] * (1 - opacity) + colour * opacity
    mask[place] |= covered


def _rendering(picture: np.ndarray, mask: np.ndarray) -> Rendering:
    quantised = torch.from_numpy(np.rint(picture * 255).astype(np.uint8))
    return Rendering(quantised.permute(2, 0, 1).contiguous(), torch.from_numpy(mask)[None])
