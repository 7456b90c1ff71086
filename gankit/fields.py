"""What the fields of an item are, and the inputs of a translation or of a network: pictures, masks, labels, maps.

A data set declares what its items hold, and a part what it takes, by name:

    fields = {"a": Picture(3), "label": Label(classes=5), "segmentation": Segmentation(classes=12, of="a")}

From a declaration follow sample batches, the checks of what is loaded, how `--given NAME=VALUE` is read and how a
value is drawn in a grid of samples. Shapes are those of one item; a batch has N in front.
"""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

__all__ = ["UNLABELLED", "Field", "Label", "Mask", "Picture", "Segmentation", "Vector"]

UNLABELLED = 255
"""The value of a pixel without a class, in a file of a segmentation map."""


@dataclass(frozen=True)
class Field:
    """Base of the kinds.

    spatial: whether it has a place for each pixel, so that it is cropped, flipped, padded and cut into tiles as its
    picture is. dtype: of its tensors.
    """

    spatial: ClassVar[bool] = False
    dtype: ClassVar[torch.dtype] = torch.float32

    def shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        """The shape of one item; size: (height, width) of pictures."""
        raise NotImplementedError

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator | None = None) -> Tensor:
        """A batch of random values, such as checks need; from torch's global generator, if none is given."""
        raise NotImplementedError

    def empty(self, count: int, size: tuple[int, int], device: torch.device | str = "meta") -> Tensor:
        """A batch without values."""
        return torch.empty((count, *self.shape(size)), dtype=self.dtype, device=device)

    def fault(self, x: Any) -> str | None:
        """What is wrong with one item, in words that follow its name: "is (3, 8, 8), ..."; None for nothing.

        Values are looked at where that costs little: not those of pictures.
        """
        if not isinstance(x, Tensor):
            return f"is a {type(x).__name__}, not {self.words}"
        wanted = self.shape((x.shape[-2], x.shape[-1]) if x.ndim > 1 else (1, 1))
        if tuple(x.shape) != wanted or x.is_floating_point() != self.dtype.is_floating_point:
            kind = "" if x.is_floating_point() == self.dtype.is_floating_point else f" of {x.dtype}"
            return f"is {tuple(x.shape)}{kind}, but it is declared as {self.words}"
        return None

    def accepts(self, other: Field) -> bool:
        """Whether what takes this takes the other: equal in shape, type and, of labels, number."""
        return self.shape((1, 1)) == other.shape((1, 1)) and self.dtype == other.dtype

    def read(self, text: str) -> Tensor:
        """One item of what a user wrote. ValueError, in words, for what is none; spatial kinds come from files."""
        raise ValueError(f"{text!r} is not {self.words}")

    def of_pixels(self, pixels: Tensor) -> Tensor:
        """One item, or a batch, of what stands in a file: uint8 (..., C, H, W). ValueError for values that are none."""
        raise ValueError(f"a file is not {self.words}")

    def shown(self, x: Tensor) -> Tensor | str:
        """One item as it is drawn: a picture (C, H, W) in [-1, 1], or a short text."""
        raise NotImplementedError

    @property
    def words(self) -> str:
        """What it is, for messages: "a whole number from 0 to 4"."""
        raise NotImplementedError

    def asked(self, name: str) -> str:
        """How a user writes it: "--given label=2"."""
        raise NotImplementedError


@dataclass(frozen=True)
class _Spatial(Field):
    spatial: ClassVar[bool] = True

    @property
    def planes(self) -> int:
        """How many values a pixel has in a tensor."""
        raise NotImplementedError

    def shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        return (self.planes, *size)


@dataclass(frozen=True)
class Picture(_Spatial):
    """(channels, H, W), float in [-1, 1]."""

    channels: int = 3

    @property
    def planes(self) -> int:
        return self.channels

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(count, *self.shape(size), generator=generator) * 2 - 1

    def of_pixels(self, pixels: Tensor) -> Tensor:
        return pixels.float().div(127.5).sub(1)

    def shown(self, x: Tensor) -> Tensor:
        return x

    @property
    def words(self) -> str:
        return f"a picture of {self.channels} channel{'s' if self.channels > 1 else ''}"

    def asked(self, name: str) -> str:
        return f"--given {name}=photo.png"


@dataclass(frozen=True)
class Mask(_Spatial):
    """(1, H, W), float, 1 inside and 0 outside; white in a file. of: the field of the picture on which it lies."""

    of: str | None = None

    @property
    def planes(self) -> int:
        return 1

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator | None = None) -> Tensor:
        return torch.rand(count, *self.shape(size), generator=generator).round()

    def fault(self, x: Any) -> str | None:
        if (wrong := super().fault(x)) is not None:
            return wrong
        return None if bool(((x == 0) | (x == 1)).all()) else "holds other values than 0 and 1"

    def of_pixels(self, pixels: Tensor) -> Tensor:
        return (pixels > 127).float()

    def shown(self, x: Tensor) -> Tensor:
        return x * 2 - 1

    @property
    def words(self) -> str:
        return "a mask, 1 inside and 0 outside"

    def asked(self, name: str) -> str:
        return f"--given {name}=mask.png, white inside"


@dataclass(frozen=True)
class Segmentation(_Spatial):
    """(classes, H, W), float, 1 at the class of each pixel and 0 elsewhere; all 0 where it has none.

    In a file a pixel's grey value or palette index is its class, and 255 none. of: the field of the picture on which
    it lies.
    """

    classes: int
    of: str | None = None

    @property
    def planes(self) -> int:
        return self.classes

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator | None = None) -> Tensor:
        return self.encode(torch.randint(self.classes, (count, 1, *size), generator=generator))

    def fault(self, x: Any) -> str | None:
        if (wrong := super().fault(x)) is not None:
            return wrong
        fits = bool(((x == 0) | (x == 1)).all()) and bool((x.sum(0) <= 1).all())
        return None if fits else "is not 1 at one class of each pixel and 0 elsewhere"

    def encode(self, index: Tensor) -> Tensor:
        """Classes of pixels (..., 1, H, W), of whole numbers -> (..., classes, H, W); other values have no class."""
        known = torch.arange(self.classes, device=index.device).view(-1, 1, 1)
        return (index == known).float()

    def of_pixels(self, pixels: Tensor) -> Tensor:
        if (wrong := self.fault_of_pixels(pixels)) is not None:
            raise ValueError(wrong)
        return self.encode(pixels)

    def fault_of_pixels(self, pixels: Tensor) -> str | None:
        """What is wrong with the values of a file."""
        outside = pixels[(pixels >= self.classes) & (pixels != UNLABELLED)]
        if not outside.numel():
            return None
        return (
            f"it holds the value {int(outside.max())}; the values of a map of {self.classes} classes are 0 to "
            f"{self.classes - 1}, and {UNLABELLED} where there is none"
        )

    def shown(self, x: Tensor) -> Tensor:
        colours = torch.tensor([_colour(i) for i in range(self.classes)], device=x.device)
        return torch.einsum("khw,kc->chw", x.float(), colours) * 2 - 1

    @property
    def words(self) -> str:
        return f"a segmentation map of {self.classes} classes"

    def asked(self, name: str) -> str:
        return f"--given {name}=map.png, whose grey values or palette indices are 0 to {self.classes - 1}"


@dataclass(frozen=True)
class Label(Field):
    """A class: int64 () of 0 to classes - 1; (N,) in a batch."""

    classes: int
    dtype: ClassVar[torch.dtype] = torch.int64

    def shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        return ()

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator | None = None) -> Tensor:
        return torch.randint(self.classes, (count,), generator=generator)

    def fault(self, x: Any) -> str | None:
        if (wrong := super().fault(x)) is not None:
            return wrong
        return None if 0 <= int(x) < self.classes else f"is {int(x)}, but it is declared as {self.words}"

    def accepts(self, other: Field) -> bool:
        return isinstance(other, Label) and other.classes == self.classes

    def read(self, text: str) -> Tensor:
        if not text.strip().isdecimal() or int(text) >= self.classes:
            raise ValueError(f"{text!r} is not {self.words}")
        return torch.tensor(int(text))

    def shown(self, x: Tensor) -> str:
        return str(int(x))

    @property
    def words(self) -> str:
        return f"a whole number from 0 to {self.classes - 1}"

    def asked(self, name: str) -> str:
        return f"--given {name}={min(2, self.classes - 1)}"


@dataclass(frozen=True)
class Vector(Field):
    """(size,), float, of any values."""

    size: int

    def shape(self, size: tuple[int, int]) -> tuple[int, ...]:
        return (self.size,)

    def draw(self, count: int, size: tuple[int, int], generator: torch.Generator | None = None) -> Tensor:
        return torch.randn(count, self.size, generator=generator)

    def read(self, text: str) -> Tensor:
        try:
            values = torch.tensor([float(part) for part in text.split(",")])
        except ValueError:
            raise ValueError(f"{text!r} is not {self.words}, separated by commas") from None
        if len(values) != self.size or not bool(values.isfinite().all()):
            raise ValueError(f"{text!r} is not {self.words}, separated by commas")
        return values

    def shown(self, x: Tensor) -> str:
        return _shortened([f"{value:.2g}" for value in x.tolist()])

    @property
    def words(self) -> str:
        return f"{self.size} numbers" if self.size > 1 else "a number"

    def asked(self, name: str) -> str:
        return f"--given {name}={_shortened(['0.1', '0.2', '-0.3'][: self.size], self.size)}"


def _shortened(parts: Sequence[str], count: int | None = None) -> str:
    shown = ",".join(parts[:3])
    return shown if (count or len(parts)) <= 3 else f"{shown},..."


def _colour(number: int) -> tuple[float, float, float]:
    """Of a class, in [0, 1]: hues by the golden ratio, so that neighbours differ; none is black, that of no class."""
    return colorsys.hsv_to_rgb(number * 0.618034 % 1, 0.55 + 0.4 * (number % 2), 0.95 - 0.25 * (number // 2 % 2))
