"""`Codec`: what reads a picture file to a float tensor and writes one back in its own units."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from types import MappingProxyType
from typing import Annotated, Any, ClassVar, Literal, NamedTuple

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from gankit.core.catalogue import catalogue
from gankit.core.errors import DataError, GankitError
from gankit.core.files import ending, is_special, write_whole
from gankit.core.registry import BUILTIN
from gankit.core.schema import Slot

Outside = Literal["clip", "error"]
Values = NDArray[Any]
MAX_VALUES = 3 * 2**27
"""Files of more values, pixels times channels, are refused from their header: the largest RGB picture has as many."""
NOT_A_FILE = "it is not a regular file: a picture is read more than once, which a pipe or a device does not allow"
LEVELS = 255
"""A kind of integers keeps a window that spans at least so many of them."""


class Header(NamedTuple):
    """What a file says of itself before its values are read; height and width are those of the upright picture."""

    channels: int
    height: int
    width: int
    dtype: np.dtype[Any]


class WindowError(DataError):
    """Which values of a file are black and white is not known."""


class Codec(ABC):
    """Base of the codecs: files of one kind <-> float32 (C, H, W) in [-1, 1], by a window of the files' values.

    A subclass says how values are read and written, `header`, `decode` and `encode`, in the units of the file; this
    class does the rest. Its file names end in one of `extensions`.

    low, high: the values that become -1 and 1. Without them only what `known` has a window for can be read: what other
    depths mean is not guessed. units: their name, for figures and reports, such as `HU`. outside: what becomes of
    values below `low` or above `high`: `error` refuses the file, `clip` takes the nearest value inside.

    Reading and writing back gives every integer of a window of up to 2**24 levels; floats to 1e-7 of the window, and
    bit for bit where the window is -h to h, h a power of two. Raises ValueError for a window without an inside.
    """

    extensions: ClassVar[frozenset[str]] = frozenset()
    """Endings of its files, in small letters, with the dot, such as `.tif`; they may have two parts, as `.nii.gz`."""
    default_extension: ClassVar[str] = ""
    """Of the files that it writes where the source is of another kind."""
    converts_to: ClassVar[frozenset[int]] = frozenset()
    """Numbers of channels to which it brings any file. Empty: pictures have the channels of their files."""
    known: ClassVar[Mapping[str, tuple[float, float]]] = MappingProxyType({"uint8": (0, 255)})
    """The window of depths that need none to be said, by the name of their dtype."""
    stored: ClassVar[torch.dtype] = torch.float32
    """Of what `raw` gives: float32 in [-1, 1], or uint8 in 0..255."""
    stacks: ClassVar[bool] = False
    """Whether a file may hold several pictures, such as the slices of a volume."""
    low: float | None = None
    high: float | None = None
    units: str = ""

    def __init__(
        self, low: float | None = None, high: float | None = None, units: str = "", outside: Outside = "error"
    ) -> None:
        if (low is None) != (high is None):
            raise ValueError("a window has two ends: give low and high")
        if not all(math.isfinite(end) for end in (low, high) if end is not None):
            raise ValueError(f"a window has finite ends, not {low} and {high}")
        if low is not None and high is not None and not low < high:
            raise ValueError(f"high ({number(high)}) must be above low ({number(low)})")
        self.low, self.high, self.units, self.outside = low, high, units, outside

    # -- what a subclass says ------------------------------------------------------------------------------------
    @abstractmethod
    def header(self, path: Path) -> Header:
        """Of a file, without reading its values. Any exception says that it is damaged, a DataError why."""

    @abstractmethod
    def decode(self, path: Path) -> Values:
        """The values of a file, (C, H, W), upright, as they stand there. Exceptions as those of `header`."""

    @abstractmethod
    def encode(self, values: Values, extension: str, like: Path | None) -> bytes:
        """A file of these values, (C, H, W) of the dtype that `depth` gives. extension: of its name. like: the source,
        a file of this codec, where there is one."""

    def decode_stack(self, path: Path) -> Values:
        """Of one that `stacks`: the values of all pictures of a file, (S, C, H, W)."""
        return self.decode(path)[None]

    def encode_stack(self, values: Values, extension: str, like: Path | None) -> bytes:
        """Of one that `stacks`: a file of several pictures, (S, C, H, W)."""
        raise NotImplementedError(f"{type(self).__name__} stacks pictures and does not say how they are written")

    def reads(self, path: Path) -> bool:
        """Whether a file is of its kind, as far as its name tells."""
        return self.ending(path) != ""

    def depth(self, like: Path | None) -> np.dtype[Any]:
        """Of the values to be written: that of the source where it holds the window in 256 levels or more, or is
        float; else float32, which loses nothing."""
        if self.low is None or self.high is None:
            return np.dtype(np.uint8)
        dtype = np.dtype(np.float32) if like is None else self.header(like).dtype
        return dtype if holds(dtype, self.low, self.high) else np.dtype(np.float32)

    # -- what it gives -------------------------------------------------------------------------------------------
    def read(self, path: str | Path, channels: int | None = None) -> Tensor:
        """The picture in a file: float32 (C, H, W) in [-1, 1].

        channels: how many are wanted; those of the file if None. Raises DataError, with the file and the reason, for
        what cannot be read, has other channels or values outside the window, or needs a window and has none.
        """
        path = Path(path)
        with damaged(path):
            check_size(self.header(path))
            values = self.decode(path)
            if channels not in (None, len(values)):
                raise DataError(f"it has {counted(len(values))}, not the {channels} that are wanted")
            return torch.from_numpy(self.normalize(values))

    def refuse_channels(self, side: str, channels: int) -> None:
        """Raise DataError where it neither reads nor writes pictures of so many channels. side: whose they are."""
        if self.converts_to and channels not in self.converts_to:
            offered = " or ".join(map(str, sorted(self.converts_to)))
            key = "codec" if side == "a" else "codec_b"
            raise DataError(
                f"pictures of `{side}` have {counted(channels)}, and those of its codec {name_of(self)} {offered}: set "
                f"data.{key} to tiff or npy"
            )

    def raw(self, path: str | Path, channels: int | None = None, exact: bool = True) -> Tensor:
        """What data sets resize, keep and crop: `read`, or uint8 for a codec whose `stored` is that.

        exact: whether a faster decoder that may round otherwise is out of the question.
        """
        del exact
        return self.read(path, channels)

    def shape(self, path: str | Path) -> tuple[int, int, int]:
        """(channels, height, width), from only the header. Raises DataError as `read` does, also where a window is
        needed and not said."""
        path = Path(path)
        with damaged(path):
            header = self.header(path)
            check_size(header)
            if self.window(header.dtype) is None:
                self.normalize(self.decode_stack(path))  # which says the range of its values
        return header.channels, header.height, header.width

    def write(self, picture: Tensor, path: str | Path, like: str | Path | None = None) -> None:
        """Write (C, H, W) in [-1, 1] in units of the window; values outside are clamped, NaN becomes `low`.

        like: the file of which it was made, whose depth it has, where that is of this codec. A kill never leaves half
        a file. Raises GankitError when the disk refuses; an old file of that name then stays.
        """
        path = Path(path)
        source = self._source(like)
        values = self.denormalize(picture, self.depth(source))
        write_whole(path, self.encode(values, self.ending(path) or path.suffix.lower(), source))

    def read_stack(self, path: str | Path, channels: int | None = None) -> Tensor:
        """All pictures of a file, (S, C, H, W), in their order; of most kinds of files one. Otherwise as `read`."""
        if not self.stacks:
            return self.read(path, channels)[None]
        path = Path(path)
        with damaged(path):
            check_size(self.header(path))
            values = self.decode_stack(path)
            if channels not in (None, values.shape[1]):
                raise DataError(f"it has {counted(values.shape[1])}, not the {channels} that are wanted")
            return torch.from_numpy(self.normalize(values))

    def write_stack(self, pictures: Tensor, path: str | Path, like: str | Path | None = None) -> None:
        """Write (S, C, H, W) in [-1, 1], as `write` does; raises DataError for several where files hold one."""
        path = Path(path)
        if self.stacks:
            source = self._source(like)
            values = self.denormalize(pictures, self.depth(source))
            write_whole(path, self.encode_stack(values, self.ending(path) or path.suffix.lower(), source))
        elif len(pictures) == 1:
            self.write(pictures[0], path, like)
        else:
            raise DataError(f"{path}: {len(pictures)} pictures do not go into one file of {name_of(self)}")

    def _source(self, like: str | Path | None) -> Path | None:
        return Path(like) if like is not None and self.reads(Path(like)) else None

    def ending(self, path: Path) -> str:
        """That of its own endings which a file's name has, such as `.nii.gz`; "" for another."""
        return ending(path, self.extensions)

    def extension(self, source: Path) -> str:
        """Of the file that is made from a source."""
        return self.ending(source) or self.default_extension

    def transparent(self, path: str | Path) -> Tensor | None:
        """Where the picture in a file is transparent: (1, H, W) of bool; None where the kind of file cannot say."""
        del path
        return None

    # -- the window ----------------------------------------------------------------------------------------------
    def window(self, dtype: np.dtype[Any]) -> tuple[float, float] | None:
        """(low, high) of values of a dtype; None where they must be said."""
        if self.low is not None and self.high is not None:
            return self.low, self.high
        return self.known.get(dtype.name)

    def normalize(self, values: Values) -> NDArray[np.float32]:
        """Values in the units of the file -> float32 in [-1, 1]. Raises DataError as `read` does, without the file."""
        least, most = (float(values.min()), float(values.max())) if values.size else (0.0, 0.0)
        if not np.isfinite([least, most]).all():
            raise DataError("it holds values that are NaN or infinite")
        window = self.window(values.dtype)
        if window is None:
            raise WindowError(self._needs_window(values.dtype, least, most))
        low, high = window
        if self.outside == "error" and (least < low or most > high):
            raise DataError(
                f"its values {number(least)} to {number(most)} are not within the window {number(low)} to "
                f"{number(high)}: widen it, or set `outside: clip`"
            )
        middle, half = (low + high) / 2, (high - low) / 2
        return ((values.astype(np.float64) - middle) / half).clip(-1, 1).astype(np.float32)

    def denormalize(self, picture: Tensor, dtype: np.dtype[Any] | None = None) -> Values:
        """Float (..., H, W) in [-1, 1] -> values in the units of the window, of a dtype: float32 if None."""
        dtype = np.dtype(np.float32) if dtype is None else dtype
        low, high = self.window(dtype) or (0, 255)
        middle, half = (low + high) / 2, (high - low) / 2
        inside = picture.detach().cpu().double().nan_to_num(nan=-1.0).clamp(-1, 1)
        values = inside.numpy() * half + middle
        if dtype.kind in "iu":
            limits = np.iinfo(dtype)
            values = np.rint(values).clip(limits.min, limits.max)
        return values.astype(dtype)

    def _needs_window(self, dtype: np.dtype[Any], least: float, most: float) -> str:
        low, high = suggestion(dtype, least, most)
        return (
            f"its values, {dtype.name}, are from {number(least)} to {number(most)}, and which of them mean black and "
            "white is not known: name them, as in "
            f"`codec: {{type: {name_of(self)}, low: {number(low)}, high: {number(high)}}}`"
        )

    # -- words ---------------------------------------------------------------------------------------------------
    @property
    def words(self) -> str:
        """For protocols and reports: "grey16, 0 to 4095 HU"."""
        window = "" if self.low is None or self.high is None else f", {number(self.low)} to {number(self.high)}"
        return f"{name_of(self)}{window}{f' {self.units}' if self.units else ''}"

    def __eq__(self, other: object) -> bool:
        return type(self) is type(other) and vars(self) == vars(other)

    def __hash__(self) -> int:
        return hash(repr(self))

    def __repr__(self) -> str:
        return f"{type(self).__qualname__}({', '.join(f'{k}={v!r}' for k, v in vars(self).items())})"


CodecSlot = Annotated[Codec | type[Codec], Slot("codec")]
"""A slot for a codec; a class, as the default of a signature is, stands for one without arguments (`made`)."""


def as_codec(codec: Codec | type[Codec]) -> Codec:
    """What fills a slot of codecs, as an object: a recipe gives one, a default in a signature is a class."""
    return codec() if isinstance(codec, type) else codec


def name_of(codec: Codec) -> str:
    """What a recipe calls it."""
    entry = catalogue().entry_of("codec", type(codec))
    return type(codec).__name__ if entry is None else entry.name if entry.source == BUILTIN else entry.qualified


def require(codec: str, *packages: str) -> None:
    """Raise GankitError, with what to install, where a package of the extra `tiff` is missing."""
    if missing := [package for package in packages if find_spec(package) is None]:
        raise GankitError(f"the codec {codec} needs {' and '.join(missing)}: pip install 'gankit[tiff]'")


def holds(dtype: np.dtype[Any], low: float, high: float) -> bool:
    """Whether values of a dtype make a picture of a window: all of it, in levels fine enough."""
    if dtype.kind == "f":
        return True
    limits = np.iinfo(dtype)
    return limits.min <= low and high <= limits.max and high - low >= LEVELS


def suggestion(dtype: np.dtype[Any], least: float, most: float) -> tuple[float, float]:
    """A window for the message that one is needed: whole bits for integers, what there is for floats."""
    if dtype.kind == "f":
        return (least, most) if least < most else (least, least + 1)
    low = 0 if least >= 0 else -(2 ** int(-least - 1).bit_length())
    return low, 2 ** max(8, int(max(most, 0)).bit_length()) - 1


def check_size(header: Header) -> None:
    """Raise DataError for a picture without pixels, or with too many values."""
    channels, height, width, _ = header
    if min(channels, height, width) < 1:
        raise DataError(f"a picture of {width} x {height} px and {counted(channels)} is empty")
    if channels * height * width > MAX_VALUES:
        raise DataError(
            f"{width} x {height} px of {counted(channels)} are more than the {MAX_VALUES / 1e6:.0f} million values "
            "that are read; make it smaller or cut it into tiles first"
        )


@contextmanager
def damaged(path: Path) -> Iterator[None]:
    """Every failure inside the block becomes a DataError with the file's name; so does a pipe, which has no end."""
    try:
        if is_special(path):
            raise DataError(NOT_A_FILE)
        yield
    except DataError as error:
        raise type(error)(f"{path}: {error}") from None
    except OSError as error:
        raise DataError(f"{path}: {error.strerror.lower() if error.strerror else f'damaged ({error})'}") from error
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise DataError(f"{path}: damaged or cut off ({str(error) or type(error).__name__})") from error


def number(value: float) -> str:
    """4095 for 4095.0; six digits of others."""
    return str(int(value)) if float(value).is_integer() and abs(value) < 1e15 else f"{value:.6g}"


def counted(channels: int) -> str:
    return f"{channels} channel{'' if channels == 1 else 's'}"
