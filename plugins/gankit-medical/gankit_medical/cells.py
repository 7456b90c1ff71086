"""Draws cells as two ways of transmitted light show them, and the stains of their parts."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

FULL = 4095
"""The brightest count: 12 bits."""


def draw_cells(rng: np.random.Generator, size: int) -> tuple[NDArray[np.uint16], NDArray[np.uint16]]:
    """uint16 (2, S, S) and (3, S, S), counts of 0 to 4095.

    Light: how much the cells delay it, and its slope from the upper left, as phase contrast and interference contrast
    show it, with noise. Stains: nuclei, membranes, and the grains around the nuclei; they follow from what a
    cell is made of, and have no noise.
    """
    y, x = np.mgrid[:size, :size].astype(float)
    delay, nuclei, membranes, grains = (np.zeros((size, size)) for _ in range(4))
    taken = np.zeros((size, size), bool)
    for _ in range(max(1, int(rng.poisson((size / 20) ** 2)))):
        cx, cy, turn = rng.uniform(0, size), rng.uniform(0, size), rng.uniform(0, np.pi)
        long, wide = rng.uniform(9, 14), rng.uniform(6, 9)
        u = (x - cx) * np.cos(turn) + (y - cy) * np.sin(turn)
        v = -(x - cx) * np.sin(turn) + (y - cy) * np.cos(turn)
        far = np.hypot(u / long, v / wide)
        if taken[far < 1.1].any():  # by another cell
            continue
        taken |= far < 1.1
        core = np.hypot((u - 0.15 * long) / (0.42 * long), v / (0.5 * wide))
        delay += 0.25 * np.clip(4 * (1 - far), 0, 1)
        nucleus = np.clip(3 * (1 - core), 0, 1) * rng.uniform(0.6, 1)
        delay += 0.4 * nucleus
        nuclei += nucleus
        membranes += np.exp(-(((far - 0.95) / 0.08) ** 2)) * (far < 1.3)
        for _ in range(rng.integers(4, 9)):
            angle, r = rng.uniform(0, 2 * np.pi), rng.uniform(0.55, 0.8)
            gu, gv = r * long * np.cos(angle), r * wide * np.sin(angle)
            if np.hypot((gu - 0.15 * long) / (0.42 * long), gv / (0.5 * wide)) > 1.25:
                spot = np.exp(-((u - gu) ** 2 + (v - gv) ** 2) / 1.6)
                delay += 0.3 * spot
                grains += spot
    slope = ndimage.sobel(delay, 0) + ndimage.sobel(delay, 1)
    light = np.stack([0.25 + 0.6 * delay, 0.5 + 0.12 * slope])
    light += rng.normal(0, 0.015, light.shape)
    stains = np.stack([0.03 + 0.9 * nuclei, 0.03 + 0.8 * membranes, 0.03 + 0.9 * np.clip(grains, 0, 1)])
    light, stains = (np.rint(np.clip(v, 0, 1) * FULL).astype(np.uint16) for v in (light, stains))
    return light, stains
