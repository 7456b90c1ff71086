"""Masks in picture files: what is white in them, however they were drawn and saved."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from torch import Tensor

from gankit.codecs.images import decoded, grey_levels, open_image
from gankit.core.errors import DataError

log = logging.getLogger("gankit.codecs")

HALF = 127.5
NOISE = 32
"""Of so few levels apart the greys of a file may be the noise of a compression, unless they are but two."""
_told: set[tuple[Path, str]] = set()


def read_mask(path: str | Path, flat: bool = False) -> Tensor:
    """The mask in a file, (1, H, W) of bool: where it is white. What had to be guessed is told, once for its folder.

    Of two greys the brighter is white, however dark: a mask may be saved as 0 and 1, be painted in red, or be indices
    of a palette, which count by the colours that they show. More greys are cut at half grey, or in the middle of
    theirs where all are darker, or all brighter. What is painted on transparent ground is white; in a picture of many
    colours, what is transparent. flat: a mask may be black or white all over. Raises DataError as `read_image` does,
    and where that is so and must not be.
    """
    with open_image(path) as image:
        mask, remark = mask_pixels(image, flat)
    mark = (Path(path).parent, remark)
    if remark and mark not in _told:
        _told.add(mark)
        log.warning("%s: %s", path, remark)
    return mask


def mask_pixels(image: Image.Image, flat: bool = False) -> tuple[Tensor, str]:
    """The mask of a PIL image, as of a file, and what to tell of it, or nothing."""
    decoded(image)
    upright = ImageOps.exif_transpose(image)
    if upright.mode in ("I", "F") or upright.mode.startswith("I;16"):
        values, remark = np.asarray(upright), ""
        if len(np.unique(values)) > 2:
            values = grey_levels(image)
    elif upright.has_transparency_data:
        values, remark = _painted(np.asarray(upright.convert("RGBA")))
    else:
        values, remark = _greys(upright), ""
    white, dim = _white(values.astype(np.float64), flat)
    return torch.from_numpy(np.ascontiguousarray(white))[None], remark or dim


def _greys(image: Image.Image) -> NDArray[Any]:
    return np.asarray((image.convert("RGB") if image.mode == "P" else image).convert("L"))


def _painted(rgba: NDArray[Any]) -> tuple[NDArray[Any], str]:
    """Greys of a picture that may be transparent in places, and what to tell of it."""
    opaque, greys = rgba[..., 3] >= 128, _greys(Image.fromarray(rgba[..., :3]))
    colours = np.unique(greys[opaque])
    if len(colours) > 2 and not opaque.all():
        return np.where(
            opaque, 0, 255
        ), "its colours do not make it a mask: the mask is taken to be where it is transparent"
    return np.where(opaque, greys, 0), ""


def _white(values: NDArray[np.float64], flat: bool) -> tuple[NDArray[np.bool_], str]:
    """Where values are white, and what to tell of it."""
    low, high = float(values.min()), float(values.max())
    if low == high and flat:
        return values > HALF, ""
    half = HALF if low <= HALF < high else (low + high) / 2
    if low == high or (half != HALF and high - low < NOISE and len(np.unique(values)) > 2):
        greys = f"one grey, {low:g}" if low == high else f"only greys from {low:g} to {high:g}"
        raise DataError(f"a mask is white inside and black outside, and this one has {greys}")
    told = f"its greys are {low:g} to {high:g} of 255: the mask is taken to be the brighter ones"
    return values > half, "" if half == HALF else told
