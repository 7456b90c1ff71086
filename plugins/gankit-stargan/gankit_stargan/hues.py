"""Drawn scenes whose objects have one of several hues: the hue is the domain, and every translation has its truth."""

from __future__ import annotations

import math
import random
from collections.abc import Mapping
from typing import Annotated

import torch
from annotated_types import Ge
from torch import Tensor
from torch.nn import functional as F

from gankit.data import Cache, Drawn, Split
from gankit.fields import Field, Label, Mask, Picture

SAMPLES = 3
"""Each pixel is sampled so many times in each direction."""
GRAIN = 0.02
"""Of each pixel of the background: small networks cannot copy more."""

EDGE = 3
"""How steep the edge of an object's shade is."""


class Hues(Drawn):
    """Scenes of one to three shaded objects on a muted background; the hue of the objects is the picture's domain.

    An object, a disc or a polygon, is lit from a side of its own, half of it in shade, so that no one colour is near
    it, and has a saturation of its own; the hue is the same for all objects of a picture, one of `domains` that lie
    evenly around the circle of hues. Backgrounds are drawn alike in all domains. So a translation must change the hue
    of the objects, keep their brightness and saturation pixel by pixel, and leave the background.

    Item i is a pure function of (`seed`, split, i), its domain i modulo `domains`:

    - `a`: (3, size, size) in [-1, 1]; `domain`: its label, int64 ();
    - `mask_a`: (1, size, size) in {0, 1}: the pixels of objects. A pixel covered less than half is background;
    - `truths`: (3 * domains, size, size) in [-1, 1]: the same scene in each domain, one after the other; that of the
      picture's own is the picture. Outside the mask all are equal.

    domains: how many hues. size: side in pixels. train, test: scenes in each split, which are streams of their own.
    seed: of the drawing. cache: keep drawn scenes in RAM ((3 * domains + 1) * size**2 bytes an item).
    """

    def __init__(
        self,
        *,
        domains: Annotated[int, Ge(2)] = 4,
        size: Annotated[int, Ge(16)] = 48,
        train: Annotated[int, Ge(1)] = 2000,
        test: Annotated[int, Ge(1)] = 200,
        seed: Annotated[int, Ge(0)] = 0,
        cache: bool = True,
    ) -> None:
        self.domains, self.size, self.seed = domains, size, seed
        self.fields: Mapping[str, Field] = {
            "a": Picture(3),
            "domain": Label(domains),
            "mask_a": Mask(of="a"),
            "truths": Picture(3 * domains),
        }
        self._counts = {"train": train, "test": test}
        self._cached = cache
        self._enter("train")

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        shape = (3 * self.domains + 1, self.size, self.size)
        self._cache = Cache([shape] * len(self)) if self._cached else None

    def __repr__(self) -> str:
        return f"Hues({self._split}, {len(self)} scenes in {self.domains} hues, {self.size} px, seed {self.seed})"

    def item(self, index: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The fields of item `index`; nothing is random, so `generator` is not used."""
        self.check(index)
        drawn = self._draw(index) if self._cache is None else self._cache.get(index, lambda: self._draw(index))
        domain, truths = index % self.domains, drawn[:-1] / 127.5 - 1
        return {
            "a": truths[3 * domain : 3 * domain + 3],
            "domain": torch.tensor(domain),
            "mask_a": drawn[-1:].float(),
            "truths": truths,
        }

    def _draw(self, index: int) -> Tensor:
        """(3 * domains + 1, S, S), uint8: the scene in each hue, and its mask."""
        rng = random.Random(f"{self.seed} {self._split} {index}")
        scene = draw_scene(rng, self.size, [number / self.domains for number in range(self.domains)])
        return torch.cat([scene.pictures.mul(255).round().byte().flatten(0, 1), scene.mask.byte()])


class Scene:
    """A background and what is painted on it, in several hues at once.

    pictures: (hues, 3, S, S) in [0, 1]. mask: (1, S, S), True on objects.
    """

    def __init__(self, background: Tensor, hues: list[float]) -> None:
        self.pure = torch.stack([pure(hue) for hue in hues])[:, :, None, None]
        self.pictures = background.expand(len(hues), -1, -1, -1)
        self.mask = torch.zeros(1, *background.shape[1:], dtype=torch.bool)

    def paint(self, coverage: Tensor, brightness: Tensor, saturation: float) -> None:
        """An object over all that is there. coverage, brightness: (1, S, S) in [0, 1].

        Where less than half is covered, nothing is painted, so that the mask says all that an object may change.
        """
        covered = coverage >= 0.5
        opacity, colour = coverage * covered, brightness * (1 - saturation * (1 - self.pure))
        self.pictures = self.pictures * (1 - opacity) + colour * opacity
        self.mask = self.mask | covered


def draw_scene(rng: random.Random, size: int, hues: list[float]) -> Scene:
    """One scene in all these hues, each in [0, 1)."""
    scene = Scene(draw_background(rng, size), hues)
    for _ in range(rng.randint(1, 3)):
        radius = rng.uniform(0.18, 0.3)
        x, y = _grid(size * SAMPLES)
        x, y = x - rng.uniform(radius, 1 - radius), y - rng.uniform(radius, 1 - radius)
        coverage = _mean(inside(x, y, rng.choice([0, 3, 4, 5]), radius, rng.uniform(0, math.tau)).float())
        light, dark, bright = rng.uniform(0, math.tau), rng.uniform(0.15, 0.35), rng.uniform(0.85, 1)
        lit = (EDGE * (math.cos(light) * x + math.sin(light) * y) / radius).clamp(-1, 1)
        brightness = _mean(dark + (bright - dark) * (lit + 1) / 2)
        scene.paint(coverage, brightness, rng.uniform(0.6, 0.95))
    return scene


def draw_background(rng: random.Random, size: int) -> Tensor:
    """(3, S, S) in [0, 1]: two muted colours in blotches, and a little grain."""
    first, second = (_muted(rng)[:, None, None] for _ in range(2))
    blotches = torch.tensor([rng.uniform(0, 1) for _ in range(25)]).view(1, 1, 5, 5)
    blend = F.interpolate(blotches, size=(size, size), mode="bilinear", align_corners=True)[0]
    stream = torch.Generator().manual_seed(rng.getrandbits(63))
    grain = GRAIN * (2 * torch.rand(1, size, size, generator=stream) - 1)
    return (first * (1 - blend) + second * blend + grain).clamp(0, 1)


def _muted(rng: random.Random) -> Tensor:
    return rng.uniform(0.3, 0.9) * (1 - rng.uniform(0, 0.3) * (1 - pure(rng.uniform(0, 1))))


def pure(hue: float) -> Tensor:
    """Red, green and blue of a full, bright hue in [0, 1): (3,)."""
    return torch.tensor([abs((hue * 6 + shift) % 6 - 3) - 1 for shift in (0, 4, 2)]).clamp(0, 1)


def inside(x: Tensor, y: Tensor, corners: int, radius: float, turn: float) -> Tensor:
    """Where a regular polygon about the origin is, or a disc of no corners; radius: of its corners."""
    if not corners:
        return torch.hypot(x, y) <= radius
    sector = math.tau / corners
    off = (torch.atan2(y, x) - turn) % sector - sector / 2  # from the middle of a side
    return torch.hypot(x, y) * off.cos() <= radius * math.cos(sector / 2)


def _grid(count: int) -> tuple[Tensor, Tensor]:
    places = (torch.arange(count) + 0.5) / count
    return places[None, None, :], places[None, :, None]


def _mean(samples: Tensor) -> Tensor:
    """(1, SAMPLES * S, SAMPLES * S) -> (1, S, S)."""
    return F.avg_pool2d(samples, SAMPLES)
