"""TIFF files of any number of channels, by tifffile."""

from __future__ import annotations

import io
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np

from gankit.codecs.base import Codec, Header, Outside, Values, holds, number, require
from gankit.codecs.images import TRANSPOSED, upright
from gankit.core.errors import DataError

Depth = Literal["uint8", "uint16", "uint32", "int8", "int16", "int32", "float16", "float32", "float64"]
DEPTHS = frozenset(Depth.__args__)  # pyright: ignore[reportAttributeAccessIssue]
Pages = Literal["one", "channels"]
_ORIENTATION = 274
_VALUES_AS_THEY_ARE = ("MINISBLACK", "RGB")


class Deep(Codec):
    """Base of the codecs of any depth: `dtype` is that of what is written; the source's if None (see `Codec.depth`)."""

    def __init__(
        self, low: float | None, high: float | None, units: str, outside: Outside, dtype: Depth | None
    ) -> None:
        super().__init__(low, high, units, outside)
        self.dtype = dtype
        if dtype is None:
            return
        if low is None or high is None:
            raise ValueError(f"writing {dtype} needs a window: give low and high")
        if not holds(np.dtype(dtype), low, high):
            raise ValueError(f"{dtype} does not hold the window {number(low)} to {number(high)} in 256 levels or more")

    def depth(self, like: Path | None) -> np.dtype[Any]:
        return super().depth(like) if self.dtype is None else np.dtype(self.dtype)


class Tiff(Deep):
    """TIFF <-> float32 (C, H, W), low..high <-> [-1, 1]: any C, integers of 8, 16, 32 bits, floats of 16, 32, 64.

    Needs `pip install 'gankit[tiff]'`. Palettes, CMYK and pictures whose white is 0 are refused.

    Args:
        low, high: the values that become -1 and 1. 8-bit files have 0 and 255 if none are given.
        units, outside: see `gankit.codecs.base.Codec`.
        dtype: the kind of numbers that is written. None keeps that of the source where it holds the window, and takes
            float32 elsewhere.
        pages: how a file holds channels. With `one` it is a single page with C samples a pixel. With `channels` its
            pages are the channels, as ImageJ and OME write them.
    """

    extensions: ClassVar[frozenset[str]] = frozenset({".tif", ".tiff"})
    default_extension: ClassVar[str] = ".tif"

    def __init__(
        self,
        *,
        low: float | None = None,
        high: float | None = None,
        units: str = "",
        outside: Outside = "error",
        dtype: Depth | None = None,
        pages: Pages = "one",
    ) -> None:
        require("tiff", "tifffile", "imagecodecs")
        super().__init__(low, high, units, outside, dtype)
        self.pages: Pages = pages

    def header(self, path: Path) -> Header:
        return tiff_header(path, self.pages)

    def decode(self, path: Path) -> Values:
        return read_tiff(path, self.pages)

    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        return write_tiff(values, self.pages)


def tiff_header(path: Path, several: Pages) -> Header:
    """Raises DataError for what is refused; anything for a damaged file."""
    with _pages(path, several) as pages:
        first = pages[0]
        sizes = dict(zip(first.axes, first.shape, strict=True))
        height, width = sizes["Y"], sizes["X"]
        if _orientation(first) in TRANSPOSED:
            height, width = width, height
        return Header(len(pages) * sizes.get("S", 1), height, width, first.dtype)


def read_tiff(path: Path, several: Pages) -> Values:
    """(C, H, W), upright."""
    with _pages(path, several) as pages:
        planes = [_planes(page.asarray(), page.axes) for page in pages]
        return upright(np.concatenate(planes), _orientation(pages[0]))


def write_tiff(values: Values, several: Pages) -> bytes:
    """A compressed file of (C, H, W)."""
    import tifffile

    file, colours = io.BytesIO(), len(values) == 3 and values.dtype.name in ("uint8", "uint16")
    how: dict[str, Any] = {"photometric": "rgb" if colours and several == "one" else "minisblack"}
    if several == "one" and len(values) > 1:
        values, how["planarconfig"] = np.moveaxis(values, 0, -1), "contig"
    elif several == "one":
        values = values[0]
    tifffile.imwrite(file, np.ascontiguousarray(values), compression="zlib", metadata=None, **how)
    return file.getvalue()


@contextmanager
def _pages(path: Path, several: Pages) -> Iterator[list[Any]]:
    """The pages of a file that are one picture."""
    import tifffile

    logging.getLogger("tifffile").addHandler(logging.NullHandler())  # what it tells of damage is told by the error
    with tifffile.TiffFile(path) as file:
        whole: Any = file.pages
        pages = [page for page in whole if not page.is_reduced]
        if not pages:
            raise DataError("it holds no picture")
        if len(pages) > 1 and several == "one":
            raise DataError(
                f"it holds {len(pages)} pages: a picture has one; if the pages are its channels, set `pages: channels`"
            )
        if len({(page.axes, page.shape, page.dtype) for page in pages}) > 1:
            raise DataError("its pages differ in size or depth, so that they are not the channels of one picture")
        _refuse_unknown(pages[0])
        yield pages


def _refuse_unknown(page: Any) -> None:
    if page.dtype is None or page.dtype.name not in DEPTHS:
        raise DataError(f"its values are {page.dtype}: none of {', '.join(sorted(DEPTHS))}")
    if page.photometric.name not in _VALUES_AS_THEY_ARE:
        raise DataError(f"it is stored as {page.photometric.name}, not as grey values, RGB or plain channels")
    if page.axes not in ("YX", "YXS", "SYX"):
        raise DataError(f"its axes are {page.axes}: a picture has height, width and channels")


def _planes(values: Values, axes: str) -> Values:
    """-> (C, H, W)."""
    return {"YX": lambda: values[None], "YXS": lambda: np.moveaxis(values, -1, 0), "SYX": lambda: values}[axes]()


def _orientation(page: Any) -> int:
    tag = page.tags.get(_ORIENTATION)
    return int(tag.value) if tag is not None else 1
