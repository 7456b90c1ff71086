"""16-bit pictures of one or three channels, PNG and TIFF."""

from __future__ import annotations

import io
import struct
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from PIL import Image, ImageOps

from gankit.codecs.base import Codec, Header, Outside, Values, number, require
from gankit.codecs.images import opened, orientation_of, upright, upright_size
from gankit.codecs.tiff import read_tiff, tiff_header, write_tiff
from gankit.core.errors import DataError

UINT16 = np.dtype(np.uint16)
TIFF = (".tif", ".tiff")


class Sixteen(Codec):
    """Base of both: uint16 in, uint16 out."""

    extensions: ClassVar[frozenset[str]] = frozenset({".png", *TIFF})
    default_extension: ClassVar[str] = ".png"

    def __init__(
        self, low: float | None = None, high: float | None = None, units: str = "", outside: Outside = "error"
    ) -> None:
        super().__init__(low, high, units, outside)
        if low is not None and high is not None and not 0 <= low < high <= 65535:
            raise ValueError(f"16-bit files hold 0 to 65535, not all of {number(low)} to {number(high)}")

    def depth(self, like: Path | None) -> np.dtype[Any]:
        return UINT16


class Grey16(Sixteen):
    """16-bit grey PNG and TIFF <-> float32 (1, H, W), low..high <-> [-1, 1].

    What it writes is of the source's kind, PNG or TIFF. Where the source is of another kind, it writes PNG.

    Args:
        low, high: the values that become -1 and 1, such as 0 and 4095 for 12-bit data. A window that is not given is
            not guessed.
        units, outside: see `gankit.codecs.base.Codec`.
    """

    def __init__(
        self,
        *,
        low: float | None = None,
        high: float | None = None,
        units: str = "",
        outside: Outside = "error",
    ) -> None:
        super().__init__(low, high, units, outside)

    def header(self, path: Path) -> Header:
        with opened(path) as image:
            _require_grey(image)
            return Header(1, *upright_size(image), UINT16)

    def decode(self, path: Path) -> Values:
        with opened(path) as image:
            _require_grey(image)
            image.load()  # which turns TIFFs
            return np.asarray(ImageOps.exif_transpose(image)).astype(np.uint16)[None]

    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        file = io.BytesIO()
        image = Image.fromarray(values[0])
        if extension in TIFF:
            image.save(file, "TIFF", compression="tiff_adobe_deflate")
        else:
            image.save(file, "PNG")
        return file.getvalue()


class RGB16(Sixteen):
    """16-bit RGB PNG and TIFF <-> float32 (3, H, W), low..high <-> [-1, 1]. Needs `pip install 'gankit[tiff]'`.

    What it writes is of the source's kind, PNG or TIFF. Where the source is of another kind, it writes PNG.

    Args:
        low, high: the values that become -1 and 1, such as 0 and 65535. A window that is not given is not guessed.
        units, outside: see `gankit.codecs.base.Codec`.
    """

    def __init__(
        self,
        *,
        low: float | None = None,
        high: float | None = None,
        units: str = "",
        outside: Outside = "error",
    ) -> None:
        require("rgb16", "tifffile", "imagecodecs")
        super().__init__(low, high, units, outside)

    def header(self, path: Path) -> Header:
        if path.suffix.lower() in TIFF:
            header = tiff_header(path, "one")
            if (header.channels, header.dtype) != (3, UINT16):
                raise DataError(f"it has {header.channels} channels of {header.dtype}, not 3 of uint16: see codec tiff")
            return header
        with opened(path) as image:
            _require_rgb(path)
            return Header(3, *upright_size(image), UINT16)

    def decode(self, path: Path) -> Values:
        if path.suffix.lower() in TIFF:
            return read_tiff(path, "one")
        import imagecodecs

        with opened(path) as image:
            turned = orientation_of(image)
        return upright(np.moveaxis(imagecodecs.png_decode(path.read_bytes()), -1, 0), turned)

    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        if extension in TIFF:
            return write_tiff(values, "one")
        import imagecodecs

        return bytes(imagecodecs.png_encode(np.ascontiguousarray(np.moveaxis(values, 0, -1))))


def _require_grey(image: Image.Image) -> None:
    """16-bit grey PNG is of mode I in old releases of PIL, and so are TIFFs of other integers."""
    if not (image.mode.startswith("I;16") or (image.mode == "I" and image.format == "PNG")):
        kind = {"L": "8-bit grey: codec image", "RGB": "in colours: codec rgb16 or image"}.get(
            image.mode, f"of the kind {image.mode}: perhaps codec tiff"
        )
        raise DataError(f"it is not 16-bit grey, but {kind} reads it")


def _require_rgb(path: Path) -> None:
    """From the header of a PNG file: PIL shows 16-bit colours as 8-bit ones."""
    with path.open("rb") as file:
        head = file.read(26)
    if head[:8] != b"\x89PNG\r\n\x1a\n":
        raise DataError("it is not a PNG file")
    bits, kind = struct.unpack(">BB", head[24:26])
    if (bits, kind) != (16, 2):
        names = {0: "grey", 2: "RGB", 3: "of a palette", 4: "grey with transparency", 6: "RGB with transparency"}
        raise DataError(f"it is {bits}-bit {names.get(kind, 'of an unknown kind')}, not 16-bit RGB")
