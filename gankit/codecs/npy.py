"""NumPy arrays in files."""

from __future__ import annotations

import io
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from gankit.codecs.base import Header, Outside, Values
from gankit.codecs.tiff import DEPTHS, Deep, Depth
from gankit.core.errors import DataError


class Npy(Deep):
    """NumPy's .npy <-> float32 (C, H, W), low..high <-> [-1, 1]: integers of 8, 16, 32 bits, floats of 16, 32, 64.

    A file holds one array, which is (H, W) or has channels. Nothing in it can run code: pickled objects are refused.

    Args:
        low, high: the values that become -1 and 1. 8-bit files have 0 and 255 if none are given.
        units, outside: see `gankit.codecs.base.Codec`.
        dtype: the kind of numbers that is written. None keeps that of the source where it holds the window, and takes
            float32 elsewhere.
        layout: the order of an array with channels, `hwc` or `chw`.
    """

    extensions: ClassVar[frozenset[str]] = frozenset({".npy"})
    default_extension: ClassVar[str] = ".npy"

    def __init__(
        self,
        *,
        low: float | None = None,
        high: float | None = None,
        units: str = "",
        outside: Outside = "error",
        dtype: Depth | None = None,
        layout: Literal["hwc", "chw"] = "hwc",
    ) -> None:
        super().__init__(low, high, units, outside, dtype)
        self.layout = layout

    def header(self, path: Path) -> Header:
        array = _mapped(path)
        channels, height, width = self._planes(array).shape
        return Header(channels, height, width, array.dtype)

    def decode(self, path: Path) -> Values:
        return np.ascontiguousarray(self._planes(_mapped(path)))

    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        if len(values) == 1 and (like is None or _mapped(like).ndim == 2):
            array = values[0]
        else:
            array = np.moveaxis(values, 0, -1) if self.layout == "hwc" else values
        file = io.BytesIO()
        np.save(file, np.ascontiguousarray(array), allow_pickle=False)
        return file.getvalue()

    def _planes(self, array: Values) -> Values:
        """-> (C, H, W)."""
        if array.ndim == 2:
            return array[None]
        return np.moveaxis(array, -1, 0) if self.layout == "hwc" else array


def _mapped(path: Path) -> Values:
    """The array in a file, of which only what is used is read."""
    array = np.load(path, mmap_mode="r", allow_pickle=False)
    if not isinstance(array, np.ndarray):
        raise DataError("it is an archive of arrays: a picture is one array, in a .npy file")
    if array.dtype.name not in DEPTHS:
        raise DataError(f"its values are {array.dtype}: none of {', '.join(sorted(DEPTHS))}")
    if array.ndim not in (2, 3):
        raise DataError(f"its shape is {array.shape}: a picture is (H, W), or has channels besides")
    return array
