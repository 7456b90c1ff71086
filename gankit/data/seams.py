"""Telling pictures that are two side by side from single ones, by the seam in their middle."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path

import torch
from torch import Tensor

from gankit.codecs.base import Codec
from gankit.core.errors import DataError
from gankit.data.disk_cache import identity
from gankit.data.images import tell_once

SAMPLE = 8
NEAR = 8  # columns on each side of the middle
FLAT = 1 / 127.5  # a level of 8 bits: where columns differ by less, nothing can be told
JOINED = 2.0
"""Measured: of 150 pairs of facades the step in the middle is 4.6 to 18 times its neighbours (10 to 90 %), of 490
single photos 0.8 to 1.3 times, and never 2."""
HALVES = (
    "data.type: paired takes the left half of a picture for A and the right half for B. Name two folders of pictures "
    "in data.a and data.b, or put them into train/A and train/B"
)


def check_halves(sizes: Mapping[Path, tuple[int, int]], codec: Codec) -> None:
    """Warn where pictures that are to be cut into two do not look like two."""
    odd = [path for path, (height, width) in sizes.items() if abs(width / height - 2) > 0.1]
    if odd:
        height, width = sizes[odd[0]]
        first = f"{odd[0]} ({width} x {height} px)"
        tell_once(
            logging.WARNING,
            f"{len(odd)} of {len(sizes)} pictures are not twice as wide as high; the first is {first}. {HALVES}",
        )
    elif _most(sizes, codec, joined=False):
        tell_once(
            logging.WARNING,
            f"the pictures of {next(iter(sizes)).parent} go on across their middle, as single pictures do. {HALVES}",
        )


def check_single(sizes: Mapping[Path, tuple[int, int]], codec: Codec) -> None:
    """Warn where pictures that are taken whole look like two side by side."""
    if all(width == 2 * height for height, width in sizes.values()) and _most(sizes, codec, joined=True):
        tell_once(
            logging.WARNING,
            f"the pictures of {next(iter(sizes)).parent} look like pairs side by side: each is twice as wide as high, "
            "with a seam in its middle. They are taken whole here; data.type: paired cuts them into two",
        )


def _most(sizes: Mapping[Path, tuple[int, int]], codec: Codec, joined: bool) -> bool:
    """Whether most of a sample can be told, and all of these are, or are not, two side by side."""
    paths = list(sizes)[:: max(len(sizes) // SAMPLE, 1)][:SAMPLE]
    told = [seam for path in paths if (seam := _seam(path, codec)) is not None]
    return 2 * len(told) > len(paths) and all((seam > JOINED) == joined for seam in told)


def _seam(path: Path, codec: Codec) -> float | None:
    """The step of a file's middle; None of a broken one, which is told elsewhere."""
    try:
        return _remembered(path, identity(path), codec)
    except DataError:
        return None


@lru_cache(maxsize=4096)
def _remembered(path: Path, file: tuple[str, int, int], codec: Codec) -> float | None:
    """A folder is read for each of its splits and again for its figures, and its sample is decoded once."""
    return seam(codec.read(path))


def seam(picture: Tensor) -> float | None:
    """How many times larger the step between the two middle columns of a picture (C, H, W) in [-1, 1] is than the steps
    near it; None where the picture is flat there, or narrower than 8 px."""
    steps = (picture[..., 1:] - picture[..., :-1]).abs().mean((0, 1))
    middle = picture.shape[-1] // 2 - 1
    near = torch.cat([steps[max(middle - NEAR, 0) : middle], steps[middle + 1 : middle + 1 + NEAR]])
    if len(near) < 6 or near.mean() < FLAT:
        return None
    return float(steps[middle] / near.mean())
