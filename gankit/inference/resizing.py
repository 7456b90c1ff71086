"""Bringing pictures to a size before they are translated, as the test scripts of the papers' code do."""

from __future__ import annotations

from pathlib import Path
from typing import Literal, get_args

from torch import Tensor

from gankit.codecs.base import Codec
from gankit.codecs.images import to_model_range
from gankit.core.recipe import Recipe
from gankit.data.transforms import Interpolation, Transform

Resize = Literal["resize_and_crop", "scale_width"]


def resizing(recipe: Recipe, load_size: int | None, preprocess: Resize = "resize_and_crop") -> Transform | None:
    """How to resize, with the `interpolation` of the recipe's data; None without a `load_size`.

    `resize_and_crop`: to `load_size` x `load_size` px, as the pictures of the test split are; `scale_width`: to that
    width, the height in proportion.
    """
    if load_size is None:
        return None
    named = dict(recipe.data).get("interpolation")
    way: Interpolation = named if named in get_args(Interpolation) else "bicubic"  # pyright: ignore[reportAssignmentType]
    least = 4 if preprocess == "scale_width" else load_size
    return Transform(preprocess, load_size, least, flip=False, enlarge=True, exact=True, interpolation=way)


def read_resized(path: Path, codec: Codec, channels: int, transform: Transform | None) -> Tensor:
    """A file as (C, H, W) in [-1, 1]; 8-bit pictures are resized as bytes, as those of the test split are."""
    if transform is None:
        return codec.read(path, channels)
    pixels = transform.resize(codec.raw(path, channels))
    return pixels if pixels.is_floating_point() else to_model_range(pixels)
