"""Drawn maps of one land by two legends: which colour means which class, only labels tell."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.data import Cache, Drawn, Split
from gankit.fields import Field, Mask, Picture, Segmentation
from gankit.slots import Ge

GROUND, FIELD, LAKE = range(3)
CLASSES = ("ground", "field", "lake")
WARM, COLD = 30.0, 210.0
"""Hues, in degrees, about which the legends are: a paints fields a little below warm and lakes a little above cold, b
the other way round, so that each legend's nearest colour in the other means the other class."""
OFF, SPREAD = 12.0, 12.0
SAMPLES = 3
"""Each pixel is sampled so many times in each direction."""


class Legends(Drawn):
    """Maps with fields and lakes on grey ground: a paints fields warm and lakes cold, b the other way round.

    Fields and lakes have the same shapes, sizes and frequency, and each domain has the same pictures but for a small
    turn of all hues: pictures alone do not tell that a field, warm in a, is cold in b, and the nearest colour is that
    of the other class. The classes of the pixels do. The counterpart of a picture follows from it: the hue of each
    field and lake is turned by half the circle, its brightness, shade and saturation stay, and so does the ground. Item
    i is a pure function of (`seed`, split, i), its b independent of its a:

    - `a`, `b`: (3, size, size) in [-1, 1]; `truth_a2b`, `truth_b2a`: the same land by the other legend;
    - `segmentation_a`, `segmentation_b`: (3, size, size), 1 at the class of each pixel: ground, field, lake;
    - `mask_a`, `mask_b`: (1, size, size) in {0, 1}: fields and lakes. A pixel covered less than half is ground.

    size: side in pixels. train, val, test: maps in each split, which are streams of their own. seed: of the drawing.
    cache: keep drawn maps in RAM (14 * size**2 bytes an item). gankit's own.
    """

    fields: ClassVar[Mapping[str, Field]] = {
        "a": Picture(3),
        "b": Picture(3),
        "segmentation_a": Segmentation(len(CLASSES), of="a"),
        "segmentation_b": Segmentation(len(CLASSES), of="b"),
        "truth_a2b": Picture(3),
        "truth_b2a": Picture(3),
        "mask_a": Mask(of="a"),
        "mask_b": Mask(of="b"),
    }

    def __init__(
        self,
        *,
        size: Annotated[int, Ge(16)] = 48,
        train: Annotated[int, Ge(1)] = 2000,
        val: Annotated[int, Ge(1)] = 100,
        test: Annotated[int, Ge(1)] = 200,
        seed: Annotated[int, Ge(0)] = 0,
        cache: bool = True,
    ) -> None:
        self.size, self.seed, self._cached = size, seed, cache
        self._counts = {"train": train, "val": val, "test": test}
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split = split
        self._cache = Cache([(7, self.size, self.size)] * (2 * len(self))) if self._cached else None

    def __repr__(self) -> str:
        return f"Legends({self._split}, {len(self)} maps a domain, {self.size} px, seed {self.seed})"

    def item(self, index: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The fields of item `index`; nothing is random, so `generator` is not used."""
        self.check(index)
        item: dict[str, Tensor] = {}
        for number, (domain, way) in enumerate((("a", "a2b"), ("b", "b2a"))):
            drawn = self._land(domain, 2 * index + number)
            shown, other = (drawn[3 * k : 3 * k + 3] / 127.5 - 1 for k in ((0, 1) if domain == "a" else (1, 0)))
            classes = Segmentation(len(CLASSES)).encode(drawn[6:])
            item |= {domain: shown, f"truth_{way}": other, f"segmentation_{domain}": classes}
            item[f"mask_{domain}"] = (drawn[6:] != GROUND).float()
        return item

    def _land(self, domain: str, key: int) -> Tensor:
        """(7, S, S), uint8: the map by a's legend and by b's, and the class of each pixel."""

        def draw() -> Tensor:
            return draw_land(random.Random(f"{self.seed} {self._split} {domain} {key}"), self.size)

        return draw() if self._cache is None else self._cache.get(key, draw)


def draw_land(rng: random.Random, size: int) -> Tensor:
    """(7, S, S), uint8: a land by both legends, and the class of each pixel."""
    maps = draw_ground(rng, size).expand(2, 3, size, size)
    classes = torch.full((1, size, size), GROUND)
    for _ in range(rng.randint(2, 4)):
        kind = rng.choice((FIELD, LAKE))
        coverage, shade = draw_shape(rng, size)
        covered = coverage >= 0.5
        opacity = coverage * covered
        hue, saturation = rng.uniform(-SPREAD, SPREAD), rng.uniform(0.6, 0.95)
        colours = torch.stack([pure(legend_hue(kind, domain) + hue) for domain in "ab"])[:, :, None, None]
        maps = maps * (1 - opacity) + shade * (1 - saturation * (1 - colours)) * opacity
        classes = torch.where(covered, kind, classes)
    return torch.cat([maps.mul(255).round().byte().flatten(0, 1), classes.byte()])


def legend_hue(kind: int, domain: str) -> float:
    """The middle hue of a class in a legend, in degrees: that in b is half the circle further than that in a."""
    return (WARM - OFF if kind == FIELD else COLD + OFF) + (0 if domain == "a" else 180)


def draw_ground(rng: random.Random, size: int) -> Tensor:
    """(3, S, S) in [0, 1]: light grey in blotches, with a little grain."""
    low, high = rng.uniform(0.5, 0.7), rng.uniform(0.8, 0.95)
    blotches = torch.tensor([rng.uniform(0, 1) for _ in range(25)]).view(1, 1, 5, 5)
    blend = F.interpolate(blotches, size=(size, size), mode="bilinear", align_corners=True)[0]
    grain = 2 * torch.rand(1, size, size, generator=torch.Generator().manual_seed(rng.getrandbits(63))) - 1
    return (low + (high - low) * blend + 0.02 * grain).expand(3, size, size)


def draw_shape(rng: random.Random, size: int) -> tuple[Tensor, Tensor]:
    """Coverage and brightness, (1, S, S) in [0, 1], of a rounded shape lit from a side of its own."""
    radius, lobes = rng.uniform(0.14, 0.24), rng.choice((0, 3, 4, 5))
    places = (torch.arange(size * SAMPLES) + 0.5) / (size * SAMPLES)
    x = places[None, None, :] - rng.uniform(radius, 1 - radius)
    y = places[None, :, None] - rng.uniform(radius, 1 - radius)
    rim = radius * (0.85 + 0.15 * torch.cos(lobes * torch.atan2(y, x) + rng.uniform(0, math.tau)))
    light, dark, bright = rng.uniform(0, math.tau), rng.uniform(0.45, 0.65), rng.uniform(0.85, 1)
    lit = ((math.cos(light) * x + math.sin(light) * y) / radius).clamp(-1, 1)
    coverage, shade = (torch.hypot(x, y) <= rim).float(), dark + (bright - dark) * (lit + 1) / 2
    return F.avg_pool2d(coverage, SAMPLES), F.avg_pool2d(shade, SAMPLES)


def pure(hue: float) -> Tensor:
    """Red, green and blue of a full, bright hue in degrees: (3,)."""
    return torch.tensor([abs((hue / 60 + shift) % 6 - 3) - 1 for shift in (0, 4, 2)]).clamp(0, 1)
