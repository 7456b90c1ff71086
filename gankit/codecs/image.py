"""8-bit pictures: all that PIL reads, PNG out."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar

import numpy as np
import torch
from torch import Tensor

from gankit.codecs.base import Codec, Header, Values
from gankit.codecs.images import (
    EXTENSIONS,
    as_pil,
    image_size,
    read_image,
    read_transparent,
    save_png,
    to_model_range,
)
from gankit.core.errors import DataError

RGB = 3


class Image8(Codec):
    """Pictures of 8 bits <-> float32 (C, H, W), 0..255 <-> [-1, 1]; C = 1 or 3, as is asked for.

    Read are JPEG, PNG, WebP, AVIF, GIF, BMP, TIFF, PPM and JPEG 2000; of an animation, its first frame.

    Everything is converted to 8 bits: transparent pictures are composited on white, 16-bit ones are scaled where they
    use all 16 bits, and EXIF rotations are applied. Whatever the source, PNG is written.
    """

    extensions: ClassVar[frozenset[str]] = EXTENSIONS
    default_extension: ClassVar[str] = ".png"
    converts_to: ClassVar[frozenset[int]] = frozenset({1, 3})
    stored: ClassVar[torch.dtype] = torch.uint8

    def __init__(self) -> None:
        super().__init__(0, 255)

    def header(self, path: Path) -> Header:
        return Header(RGB, *image_size(path), np.dtype(np.uint8))

    def shape(self, path: str | Path) -> tuple[int, int, int]:
        return RGB, *image_size(path)

    def decode(self, path: Path) -> Values:
        return read_image(path).numpy()

    def read(self, path: str | Path, channels: int | None = None) -> Tensor:
        return to_model_range(self.raw(path, channels))

    def raw(self, path: str | Path, channels: int | None = None, exact: bool = True) -> Tensor:
        channels = RGB if channels is None else channels
        if channels not in self.converts_to:
            raise DataError(f"{path}: the codec image reads 1 or 3 channels, not {channels}: name tiff or npy")
        return read_image(path, channels, exact)

    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        png = io.BytesIO()
        as_pil(torch.from_numpy(values)).save(png, "PNG")
        return png.getvalue()

    def write(self, picture: Tensor, path: str | Path, like: str | Path | None = None) -> None:
        save_png(picture, path)

    def extension(self, source: Path) -> str:
        return self.default_extension

    def transparent(self, path: str | Path) -> Tensor | None:
        return read_transparent(path)

    @property
    def words(self) -> str:
        return "image, 8 bits"

    def __repr__(self) -> str:
        return "Image8()"
