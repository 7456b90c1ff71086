"""Draws abdomens in Hounsfield units, with and without contrast medium in their vessels.

As in the phantom of Shepp and Logan (1974) a body is a list of ellipses, one over the other; here they are ellipsoids
and tubes, so that the slices of a body belong together. All of it is drawn at twice the size and averaged, so that the
pixels of an edge hold a part of each side, as in a scan.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

FAT, MUSCLE, BLOOD, WATER, TUMOUR, BONE, AIR = -100, 55, 45, 5, -30, 600, -1000
ENHANCEMENT = 220
"""How much brighter contrast medium makes the blood of all vessels, in HU."""
FINE = 2
"""Pixels of the drawing for each of the picture, a side."""


class Body(NamedTuple):
    """A drawn patient: int16 (D, S, S) in HU without and with contrast; bool (D, S, S): the vessels, at least half of a
    pixel, and the body."""

    plain: NDArray[np.int16]
    contrast: NDArray[np.int16]
    vessels: NDArray[np.bool_]
    inside: NDArray[np.bool_]


class Canvas:
    """What is drawn on: x to the patient's left, y to the back, both -1 to 1, and z from -1 to 1 over the slices."""

    def __init__(self, size: int, depth: int) -> None:
        side = (np.arange(FINE * size) + 0.5) / size / FINE * 2 - 1
        levels = (np.arange(depth) + 0.5) / depth * 2 - 1
        self.z, self.y, self.x = np.meshgrid(levels, side, side, indexing="ij", sparse=True)
        self.values = np.full((depth, FINE * size, FINE * size), float(AIR))
        self.vessels = np.zeros(self.values.shape, bool)
        self.wide = self.high = self.back = 1.0  # half the cavity's sides, and where the spine is: see `_wall`
        self.liver, self.at = self.vessels, np.zeros(3)  # see `_organs`

    def ellipsoid(self, x: float, y: float, a: float, b: float, z: float = 0, c: float = 9) -> NDArray[np.bool_]:
        """Where it is; c: its half height."""
        return ((self.x - x) / a) ** 2 + ((self.y - y) / b) ** 2 + ((self.z - z) / c) ** 2 < 1

    def tube(self, start: NDArray[np.float64], end: NDArray[np.float64], radius: float) -> NDArray[np.bool_]:
        """Around a straight line between two points (x, y, z). z counts a quarter: slices are near each other."""
        scale = np.array([1, 1, 0.25])
        way = (end - start) * scale
        offset = [(axis - p) * s for axis, p, s in zip((self.x, self.y, self.z), start, scale, strict=True)]
        along = sum(o * w for o, w in zip(offset, way, strict=True)) / max(float(way @ way), 1e-9)
        along = np.clip(along, 0, 1)
        far = np.sqrt(np.asarray(sum((o - along * w) ** 2 for o, w in zip(offset, way, strict=True))))
        return far < radius

    def fill(self, where: NDArray[np.bool_], value: float) -> None:
        self.values[where] = value
        self.vessels &= ~where

    def bleed(self, where: NDArray[np.bool_]) -> None:
        """A vessel."""
        self.values[where] = BLOOD
        self.vessels |= where


def draw_body(rng: np.random.Generator, size: int, depth: int, noise: float) -> Body:
    """A patient of `depth` slices of `size` pixels a side; noise: its deviation in HU.

    Without contrast medium vessels are darker than the liver and brighter than the fat around them, as bright as
    other organs, and told from these by their size and place. Bones and calcifications are bright in both; cysts are
    round, dark, and stay so.
    """
    canvas = Canvas(size, depth)
    inside = _wall(rng, canvas)
    _organs(rng, canvas)
    _vessels(rng, canvas)
    fine = _grain(rng, canvas.values.shape[0], size, noise)
    share = _averaged(canvas.vessels.astype(float), size)
    plain = _averaged(canvas.values, size) + fine
    contrast = plain + ENHANCEMENT * share
    plain, contrast = (np.rint(np.clip(x, -1024, 3071)).astype(np.int16) for x in (plain, contrast))
    return Body(plain, contrast, share >= 0.5, _averaged(inside.astype(float), size) >= 0.5)


def _wall(rng: np.random.Generator, canvas: Canvas) -> NDArray[np.bool_]:
    """Skin, fat, muscles, spine and ribs; all that is inside the skin."""
    wide, high = rng.uniform(0.82, 0.96), rng.uniform(0.64, 0.78)
    thick = rng.uniform(0.05, 0.13)
    inside = canvas.ellipsoid(0, 0, wide, high)
    inside = np.broadcast_to(inside, canvas.values.shape)
    canvas.fill(inside, FAT + rng.uniform(-6, 6))
    canvas.fill(canvas.ellipsoid(0, 0, wide - thick, high - thick) & inside, MUSCLE + rng.uniform(-4, 4))
    canvas.wide, canvas.high = wide - thick - 0.07, high - thick - 0.07  # of the cavity
    canvas.fill(canvas.ellipsoid(0, 0, canvas.wide, canvas.high) & inside, FAT + rng.uniform(-6, 6))
    for angle in np.linspace(0.2, 2 * np.pi - 0.2, 9) + rng.uniform(-0.1, 0.1):
        x, y = (wide - thick - 0.03) * np.sin(angle), -(high - thick - 0.03) * np.cos(angle)
        canvas.fill(canvas.ellipsoid(x, y, 0.06, 0.035, rng.uniform(-1, 1), 0.9), BONE * rng.uniform(0.5, 0.9))
    back = canvas.high - 0.12
    canvas.fill(canvas.ellipsoid(-0.22, back + 0.02, 0.13, 0.11) & inside, MUSCLE)
    canvas.fill(canvas.ellipsoid(0.22, back + 0.02, 0.13, 0.11) & inside, MUSCLE)
    canvas.fill(canvas.ellipsoid(0, back, 0.16, 0.13), BONE)
    canvas.fill(canvas.ellipsoid(0, back, 0.13, 0.10), BONE * rng.uniform(0.3, 0.45))
    canvas.fill(canvas.ellipsoid(0, back + 0.15, 0.05, 0.04), WATER)
    canvas.back = back
    return inside


def _organs(rng: np.random.Generator, canvas: Canvas) -> None:
    """Liver with cysts, spleen, kidneys, and bowel with fluid and air."""
    wide, high = canvas.wide, canvas.high
    cavity = canvas.ellipsoid(0, 0, wide, high)
    x, y = -0.42 * wide + rng.uniform(-0.05, 0.05), -0.15 * high + rng.uniform(-0.05, 0.05)
    canvas.liver = canvas.ellipsoid(x, y, 0.55 * wide, 0.72 * high, rng.uniform(-0.3, 0.3), 1.8) & cavity
    canvas.at = np.array([x, y, 0])
    canvas.fill(canvas.liver, 5 + rng.uniform(-3, 3))
    canvas.fill(canvas.ellipsoid(0.66 * wide, 0.1 * high, 0.22 * wide, 0.36 * high, 0, 1.6) & cavity, 52)
    for side in (-1, 1):
        x, y = side * rng.uniform(0.42, 0.5), 0.45 * high + rng.uniform(-0.03, 0.03)
        canvas.fill(canvas.ellipsoid(x, y, 0.13, 0.15, rng.uniform(-0.4, 0.4), 1.7) & cavity, 34 + rng.uniform(-3, 3))
    for _ in range(rng.integers(1, 4)):
        x, y, r = rng.uniform(0, 0.5), rng.uniform(-0.45, -0.1), rng.uniform(0.1, 0.17)
        canvas.fill(canvas.ellipsoid(x, y, 1.3 * r, r, rng.uniform(-1, 1), 1.3) & cavity, 45)
        lumen = canvas.ellipsoid(x, y, 1.3 * r - 0.04, r - 0.04, 0, 1.2) & cavity
        canvas.fill(lumen, rng.uniform(10, 25))
        canvas.fill(lumen & (canvas.y < y - 0.3 * r), AIR)
    for _ in range(rng.integers(0, 3)):
        x, y, z = canvas.at + rng.uniform(-0.25, 0.25, 3)
        r = rng.uniform(0.05, 0.1)
        canvas.fill(canvas.ellipsoid(x, y, r, r, z, 4 * r) & canvas.liver, TUMOUR)


def _vessels(rng: np.random.Generator, canvas: Canvas) -> None:
    """Aorta and vena cava before the spine, branches to the kidneys, in the liver, and in the fat."""
    front = canvas.back - 0.15
    aorta = np.array([rng.uniform(0.06, 0.12), front - 0.1 + rng.uniform(-0.02, 0.02), 0])
    cava = np.array([-rng.uniform(0.14, 0.2), front - 0.1 + rng.uniform(-0.02, 0.02), 0])
    up = np.array([0, 0, 1.2])
    lean = np.array([rng.uniform(-0.04, 0.04), rng.uniform(-0.04, 0.04), 0])
    wide = rng.uniform(0.085, 0.115)
    for start, r in ((aorta, wide), (cava, rng.uniform(0.08, 0.11))):
        canvas.bleed(canvas.tube(start - up - lean, start + up + lean, r))
    for side, start in ((1, aorta), (-1, cava)):
        z = rng.uniform(-0.6, 0.6)
        end = np.array([side * 0.33, 0.42 * canvas.high, z])
        canvas.bleed(canvas.tube(start + np.array([0, 0, z]), end, rng.uniform(0.035, 0.05)))
    for _ in range(rng.integers(3, 6)):
        start = canvas.at + np.array([*rng.uniform(-0.05, 0.15, 2), rng.uniform(-0.8, 0.8)])
        turn, length = rng.uniform(0, 2 * np.pi), rng.uniform(0.2, 0.4)
        end = start + np.array([length * np.cos(turn), length * np.sin(turn), rng.uniform(-0.8, 0.8)])
        canvas.bleed(canvas.tube(start, end, rng.uniform(0.04, 0.065)) & canvas.liver)
    fat = canvas.ellipsoid(0, 0, canvas.wide - 0.05, canvas.high - 0.05) & (canvas.values < FAT + 20)
    for _ in range(rng.integers(4, 9)):
        start = np.array([rng.uniform(-0.1, 0.55), rng.uniform(-0.4, 0.2), rng.uniform(-1, 1)])
        end = start + np.array([*rng.uniform(-0.15, 0.15, 2), rng.uniform(-1.5, 1.5)])
        canvas.bleed(canvas.tube(start, end, rng.uniform(0.045, 0.065)) & fat)
    for _ in range(rng.integers(0, 3)):  # calcified plaques on the wall of the aorta
        turn = rng.uniform(0, 2 * np.pi)
        spot = aorta[:2] + wide * np.array([np.cos(turn), np.sin(turn)])
        canvas.fill(canvas.ellipsoid(float(spot[0]), float(spot[1]), 0.03, 0.03, rng.uniform(-1, 1), 0.3), BONE)


def _grain(rng: np.random.Generator, depth: int, size: int, noise: float) -> NDArray[np.float64]:
    """Noise with a grain wider than a pixel, as reconstructions have."""
    white = rng.standard_normal((depth, size + 2, size + 2))
    rows = white[:, :-2] + 2 * white[:, 1:-1] + white[:, 2:]
    both = rows[:, :, :-2] + 2 * rows[:, :, 1:-1] + rows[:, :, 2:]
    return noise * both / 6  # the deviation of a sum with the weights 1 2 1, twice, is 6


def _averaged(fine: NDArray[np.float64], size: int) -> NDArray[np.float64]:
    return fine.reshape(len(fine), size, FINE, size, FINE).mean((2, 4))
