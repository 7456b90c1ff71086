"""From a decoded picture to a training one: resizing, then a crop and a flip drawn from a given generator.

Five of the ways of `preprocess` are those of the CycleGAN and pix2pix code, with the same sizes, by default the same
bicubic filter and, from a generator of the same seed, the same draws; the shortest side is what MUNIT's goes by.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal

import numpy as np
import torch
from PIL import Image
from torch import Tensor
from torch.nn.functional import interpolate

from gankit.data.placed import Placed, Placement

Preprocess = Literal[
    "resize_and_crop", "crop", "scale_width", "scale_width_and_crop", "shortest_side", "shortest_side_and_crop", "none"
]
WHOLE = ("scale_width", "shortest_side")
"""Ways that crop nothing."""
Interpolation = Literal["bicubic", "bilinear", "nearest", "lanczos"]


@dataclass(frozen=True)
class Transform:
    """uint8 (C, H, W) of any size, or float32 in [-1, 1], to float (C, h, w) in [-1, 1].

    - `resize_and_crop`: resize to `load_size` x `load_size`, crop `crop_size` x `crop_size`;
    - `crop`: crop only;
    - `scale_width`: width becomes `load_size`, height in proportion but at least `crop_size`;
    - `scale_width_and_crop`: both;
    - `shortest_side`: the shorter side becomes `load_size`, the other in proportion;
    - `shortest_side_and_crop`: both;
    - `none`: sides rounded to multiples of 4.

    crop_height: of the crop, where it is not `crop_size`, its width. largest_crop: parts of random widths from
    `crop_size` up to this one, as far as the picture goes, are cut out in the shape of the crop, and reduced to it, so
    that a training sees several scales (compare arXiv 2204.07156). flip: flip half of the pictures. enlarge: whether
    folders may hold pictures smaller than the crop, which resizing makes large enough (the CycleGAN code always does).
    exact: resize by PIL, as that code does, instead of by torchvision. interpolation: the filter, with antialias:
    `bicubic`, as that code; `bilinear`, which torchvision's `Resize` takes unless it is told otherwise, and with it the
    codes of U-GAT-IT and MUNIT; `lanczos` and `nearest`, always by PIL. straight: `resize_and_crop` resizes to the crop
    itself. Raises ValueError where the crop, or the largest one, is larger than what it is cut from.

    Measured on 509 photos brought to 286 px (torchvision 0.29, PIL 13): torchvision takes a fifth of PIL's time. Where
    PIL resizes across before it resizes down, 0.4 % of the values differ, by at most 2 of 255 levels. PIL 13 resizes
    some upright pictures down first; there up to 24 % differ, nearly all by 1 level, few by up to 10.

    Floats, of files of more than 8 bits, are resized by torch, by the same filter with antialias, and clamped to
    [-1, 1]. That is what PIL does with floats but for rounding; with bytes PIL rounds twice, once a side.
    """

    preprocess: Preprocess = "resize_and_crop"
    load_size: int = 286
    crop_size: int = 256
    flip: bool = True
    enlarge: bool = False
    exact: bool = False
    interpolation: Interpolation = "bicubic"
    crop_height: int | None = None
    straight: bool = False
    largest_crop: int | None = None

    def __post_init__(self) -> None:
        by_width = self.preprocess == "scale_width_and_crop"
        least = self.crop_size if by_width else (max if self.preprocess == "resize_and_crop" else min)(self.crop)
        resized = self.crops and self.preprocess != "crop"
        if resized and self.load_size < least:
            raise ValueError(f"load_size {self.load_size} is smaller than {self.shown_crop}")
        if self.largest_crop is None:
            return
        if not self.crops:
            raise ValueError(f"preprocess {self.preprocess} crops nothing: leave out largest_crop")
        if self.largest_crop < self.crop_size:
            raise ValueError(f"largest_crop {self.largest_crop} is smaller than crop_size {self.crop_size}")
        least = round(least * self.most_times)
        if resized and self.load_size < least:
            small = f"load_size {self.load_size} is too small for largest_crop {self.largest_crop}"
            raise ValueError(f"{small}: it must be {least} at least")

    @property
    def crops(self) -> bool:
        return "crop" in self.preprocess

    @property
    def crop(self) -> tuple[int, int]:
        """(height, width) of the crop."""
        return self.crop_height or self.crop_size, self.crop_size

    @property
    def most_times(self) -> float:
        """How many times larger than the crop a part may be."""
        return (self.largest_crop or self.crop_size) / self.crop_size

    @property
    def shown_crop(self) -> str:
        """The crop in words."""
        return f"crop_size {self.crop_size}" + (f", crop_height {self.crop_height}" if self.crop_height else "")

    @property
    def size(self) -> int:
        """The side of the result (its width, where the height follows the picture)."""
        return self.load_size if self.preprocess in WHOLE else self.crop_size

    def for_test(self) -> Transform:
        """The same without augmentation, and exact: no flip, resized straight to the crop; where nothing is cropped, to
        `load_size`, as the CycleGAN code does with `scale_width`."""
        load_size = max(self.crop) if self.preprocess == "shortest_side_and_crop" else self.crop_size
        load_size = self.load_size if self.preprocess in WHOLE else load_size
        return replace(self, load_size=load_size, flip=False, exact=True, straight=True, largest_crop=None)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) before the crop."""
        if self.preprocess == "resize_and_crop":
            return self.crop if self.straight else (self.load_size, self.load_size)
        if self.preprocess == "none":
            return max(round(height / 4) * 4, 4), max(round(width / 4) * 4, 4)
        if self.preprocess == "crop" or self._fits(height, width):
            return height, width
        if "shortest_side" in self.preprocess:
            long = int(self.load_size * max(height, width) / min(height, width))
            return (self.load_size, long) if height <= width else (long, self.load_size)
        return int(max(self.load_size * height / width, self.crop[0])), self.load_size

    def _fits(self, height: int, width: int) -> bool:
        """Whether a picture has the width that it would be scaled to, and is high enough."""
        return "scale_width" in self.preprocess and width == self.load_size and height >= self.crop[0]

    def resize(self, picture: Tensor, nearest: bool = False) -> Tensor:
        """The part without chance, uint8 to uint8 or float to float: what a cache may keep. nearest: of a map of
        classes."""
        return self._to(self.resized(*picture.shape[-2:]), picture, nearest)

    def _to(self, size: tuple[int, int], picture: Tensor, nearest: bool) -> Tensor:
        if size == tuple(picture.shape[-2:]):
            return picture
        way = "nearest" if nearest else self.interpolation
        if way in ("nearest", "lanczos"):
            return _resize_by_pil(picture, size, way)
        if picture.is_floating_point():
            return interpolate(picture[None], size, mode=way, antialias=True)[0].clamp(-1, 1)
        return _resize_by_pil(picture, size, way) if self.exact else _resize(picture, size, way)

    def draw(self, picture: Tensor, generator: torch.Generator | None) -> Placement:
        """A random placement for a resized picture; without a generator the middle, unflipped."""
        sides, crop, times = tuple(picture.shape[-2:]), self.crop, 1.0
        if self.crops and (sides[0] < crop[0] or sides[1] < crop[1]):
            raise ValueError(f"a picture of {sides[1]} x {sides[0]} px is smaller than {self.shown_crop}")
        if self.largest_crop and generator is not None:
            times = 1 + (self.times_of(*sides) - 1) * torch.rand(1, generator=generator).item()
        part = self.part_size(times) if self.crops else sides
        room = (sides[0] - part[0], sides[1] - part[1])
        if generator is None:
            return Placement(room[0] // 2, room[1] // 2, False)
        top, left = (_below(side + 1, generator) for side in room) if any(room) else (0, 0)
        return Placement(top, left, self.flip and torch.rand(1, generator=generator).item() < 0.5, times)

    def times_of(self, height: int, width: int) -> float:
        """How many times larger than the crop a part of a resized picture may be, at least 1."""
        return max(min(self.most_times, height / self.crop[0], width / self.crop[1]), 1.0)

    def part_size(self, times: float) -> tuple[int, int]:
        """(height, width) of what is cut out."""
        return round(self.crop[0] * times), round(self.crop[1] * times)

    def at(self, picture: Tensor, placement: Placement, classes: int = 0) -> Placed:
        """The part of a resized picture that a placement means; classes: of a map."""
        if not self.crops:
            return Placed(picture, placement, (picture.shape[-2], picture.shape[-1]), classes)
        if placement.times > 1:
            part = Placed(picture, placement._replace(flip=False), self.part_size(placement.times)).cut()
            picture, placement = self._to(self.crop, part, nearest=classes > 0), Placement(0, 0, placement.flip)
        return Placed(picture, placement, self.crop, classes)

    def __call__(self, picture: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """All of it for one picture."""
        picture = self.resize(picture)
        return self.at(picture, self.draw(picture, generator)).finish()


def _below(limit: int, generator: torch.Generator) -> int:
    return int(torch.randint(0, limit, (1,), generator=generator).item())


def _resize(picture: Tensor, size: tuple[int, int], way: Interpolation) -> Tensor:
    from torchvision.transforms import InterpolationMode  # late: it takes a second
    from torchvision.transforms.v2 import functional as F

    return F.resize(picture, list(size), InterpolationMode(way), antialias=True)


def _resize_by_pil(picture: Tensor, size: tuple[int, int], way: Interpolation) -> Tensor:
    filter, (height, width) = Image.Resampling[way.upper()], size
    if picture.is_floating_point():
        planes = [np.array(Image.fromarray(plane).resize((width, height), filter)) for plane in picture.numpy()]
        return torch.from_numpy(np.stack(planes)).clamp(-1, 1)
    channels, pixels = len(picture), picture.permute(1, 2, 0).numpy()
    image = Image.fromarray(pixels[..., 0] if channels == 1 else pixels).resize((width, height), filter)
    return torch.from_numpy(np.array(image).reshape(height, width, channels)).permute(2, 0, 1)
