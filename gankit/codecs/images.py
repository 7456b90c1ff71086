"""Reading any picture file to uint8, saving PNG, and the two value ranges.

PIL decodes. Training may read plain JPEG files through torchvision, which is a little faster and hands over a tensor;
its libjpeg is another one than PIL's, which gave the same bits wherever the two were compared. For PNG it is no choice:
torchvision's decoder kills the process on some damaged files.
"""

from __future__ import annotations

import io
import re
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
import torch
from numpy.typing import NDArray
from PIL import Image, ImageOps
from PIL.ImageFile import ImageFile
from PIL.TiffImagePlugin import TiffImageFile
from torch import Tensor

from gankit.codecs.base import NOT_A_FILE, number, suggestion
from gankit.core.errors import DataError
from gankit.core.files import is_special, write_whole

EXTENSIONS = frozenset(
    {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".apng", ".webp", ".avif", ".gif", ".jp2", ".j2k"}
    | {".bmp", ".dib", ".tif", ".tiff", ".ppm", ".pgm", ".pbm", ".pnm"}
)
MAX_PIXELS = 2**27
"""Larger pictures are refused from their header, before anything is decoded. One of this size takes 400 MB as RGB, and
540 MB more while it is decoded, twice that where it is to be turned upright."""
ROWS = 256
"""So many are converted at once, so that memory holds no second copy of a large picture."""
MAX_HEADER = 2**16
"""Bytes of a PPM's header: PIL reads it byte by byte."""

_FORMATS = (
    *("JPEG", "PNG", "WEBP", "BMP", "DIB", "TIFF", "PPM", "GIF", "JPEG2000"),
    *(["AVIF"] if find_spec("PIL.AvifImagePlugin") else []),
)
"""Never EPS and the like, which run programs."""
_ORIENTATION = 0x0112
TRANSPOSED = range(5, 9)
"""Orientations, of EXIF and TIFF, that exchange width and height."""
_MODES = {1: "L", 3: "RGB"}
_PLAIN = {("L", 1): "GRAY", ("L", 3): "RGB", ("RGB", 3): "RGB"}
"""(mode, channels) of the JPEG files that torchvision decodes as PIL does. It weighs colours to grey otherwise."""


def read_image(path: str | Path, channels: int = 3, exact: bool = True) -> Tensor:
    """The picture in a file as (channels, H, W) uint8, turned upright by its EXIF orientation; interleaved in memory.

    channels: 3 for RGB, 1 for grey. Transparent pictures are laid on white; 16-bit ones are scaled to 8 bits; of an
    animation the first frame is taken; colour profiles are ignored. exact: let PIL decode everything; else torchvision
    decodes JPEG files that need none of this, and complains of damage on stderr. Raises DataError, with the file and
    the reason, for anything that is not a whole picture of at most `MAX_PIXELS` pixels.
    """
    if channels not in _MODES:
        raise ValueError(f"channels must be 1 or 3, not {channels}")
    with open_image(path) as image:
        fast = None if exact else _plain_jpeg(image, path, channels)
        return image_pixels(image, channels) if fast is None else fast


def _plain_jpeg(image: Image.Image, path: str | Path, channels: int) -> Tensor | None:
    """What torchvision makes of the opened file; None where that is for PIL to read, or to refuse with its reason."""
    mode = _PLAIN.get((image.mode, channels))
    if image.format != "JPEG" or mode is None or image.getexif().get(_ORIENTATION, 1) != 1:
        return None
    from torchvision.io import ImageReadMode, decode_jpeg  # late: it takes a second

    try:
        return cast(Tensor, decode_jpeg(torch.from_numpy(np.fromfile(path, np.uint8)), ImageReadMode[mode]))
    except RuntimeError:
        return None


def read_classes(path: str | Path) -> Tensor:
    """The segmentation map in a file as (1, H, W) uint8, turned upright: grey values, or indices of the palette.

    Raises DataError as `read_image` does, and for a picture in colours.
    """
    with open_image(path) as image:
        return class_pixels(image)


def class_pixels(image: Image.Image) -> Tensor:
    """(1, H, W) uint8 of a PIL image, as of a file."""
    image.load()
    if image.mode not in ("L", "P"):
        raise DataError(
            "a segmentation map has the class of a pixel as its grey value or palette index, of 8 bits; this picture "
            f"is of the kind {image.mode}"
        )
    return torch.from_numpy(np.array(ImageOps.exif_transpose(image)))[None]


def image_pixels(image: Image.Image, channels: int = 3) -> Tensor:
    """(channels, H, W) uint8 of a PIL image, as of a file.

    Raises DataError when it is empty or cannot be decoded, and when its values have no known scale.
    """
    deep = any(";16" in str(tile[3]) for tile in (image.tile if isinstance(image, ImageFile) else ()))
    decoded(image)
    if deep and not image.mode.startswith("I"):
        _refuse_unused_bits(image)
    return torch.from_numpy(_converted(_eight_bit(image), _MODES[channels])).permute(2, 0, 1)


def _converted(image: Image.Image, mode: str) -> NDArray[np.uint8]:
    """(H, W, C) of a picture of 8 bits, laid on white."""
    pixels = np.empty((image.height, image.width, len(mode)), np.uint8)
    for top in range(0, image.height, ROWS):
        part = image.crop((0, top, image.width, min(top + ROWS, image.height)))
        pixels[top : top + ROWS] = np.asarray(_opaque(part).convert(mode)).reshape(part.height, part.width, -1)
    return pixels


def decoded(image: Image.Image) -> None:
    """Decode a PIL image. Raises DataError when it cannot be, or is empty."""
    try:
        image.load()
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise DataError(_reason(error)) from error
    if 0 in image.size:
        raise DataError(f"a picture of {image.width} x {image.height} px is empty")


def grey_levels(image: Image.Image) -> NDArray[np.uint8]:
    """(H, W), 8 bits, of a PIL image. Raises DataError as `image_pixels` does."""
    return _converted(_eight_bit(image), "L")[..., 0]


def read_transparent(path: str | Path) -> Tensor | None:
    """Where the picture in a file is transparent, more than half: (1, H, W) of bool; None where it says nothing of it.

    Videos say nothing either. Raises DataError as `read_image` does.
    """
    if Path(path).suffix.lower() not in EXTENSIONS:
        return None
    with open_image(path) as image:
        image.load()
        if not image.has_transparency_data or image.mode.startswith(("I", "F")):
            return None
        alpha = np.array(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3]
        return torch.from_numpy(alpha < 128)[None]


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of the upright picture, from only the file's header. Raises DataError."""
    with open_image(path) as image:
        return upright_size(image)


def upright_size(image: Image.Image) -> tuple[int, int]:
    """(height, width) of an opened, not yet decoded file, once it is upright."""
    width, height = image.size
    tags = _tags(image)  # the `size` of a TIFF is upright already in some releases of PIL
    width, height = tags.get(256, width), tags.get(257, height)
    return (width, height) if orientation_of(image) in TRANSPOSED else (height, width)


def _tags(image: Image.Image) -> Mapping[int, Any]:
    """Of an opened TIFF, by number; of others none."""
    return image.tag_v2 if isinstance(image, TiffImageFile) else {}


def orientation_of(image: Image.Image) -> int:
    """From the header of an opened file: 1 for upright."""
    exif = Image.Image.getexif(image)  # not PNG's own, which decodes the picture in search of a late chunk
    return exif.get(_ORIENTATION, 1)


def upright(values: NDArray[Any], orientation: int) -> NDArray[Any]:
    """(..., H, W) turned upright by its orientation, 1 to 8; others change nothing."""
    if orientation in TRANSPOSED:
        values = values.swapaxes(-1, -2)
    if orientation in (2, 3, 6, 7):
        values = values[..., ::-1]
    if orientation in (3, 4, 7, 8):
        values = values[..., ::-1, :]
    return np.ascontiguousarray(values)


def to_model_range(picture: Tensor) -> Tensor:
    """uint8 0..255 to float32 in [-1, 1], rounded as torchvision's ToTensor and Normalize(0.5, 0.5) round."""
    middle = torch.full((), 127.5, device=picture.device)  # by a plain number CUDA would multiply with its inverse
    return picture.to(torch.float32, memory_format=torch.contiguous_format).div_(middle).sub_(1)


def from_model_range(picture: Tensor) -> Tensor:
    """Float in [-1, 1] to uint8 0..255: values outside are clamped, NaN becomes black."""
    return picture.detach().float().nan_to_num(nan=-1.0).add(1).mul(127.5).round().clamp(0, 255).to(torch.uint8)


def save_png(picture: Tensor, path: str | Path) -> None:
    """Write one (1 or 3, H, W) picture, uint8 or float in [-1, 1], as PNG; a kill never leaves half a file.

    Raises GankitError when the disk refuses; an old file of that name then stays.
    """
    png = io.BytesIO()
    as_pil(picture).save(png, "PNG")
    write_whole(Path(path), png.getvalue())


def as_pil(picture: Tensor) -> Image.Image:
    """A grey or RGB image of (1 or 3, H, W), uint8 or float in [-1, 1]. Raises DataError for other channels."""
    if len(picture) not in (1, 3):
        raise DataError(f"a picture of {len(picture)} channels is not an 8-bit picture: its codec must be tiff or npy")
    pixels = (picture if picture.dtype == torch.uint8 else from_model_range(picture)).cpu().permute(1, 2, 0).numpy()
    return Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)


@contextmanager
def open_image(path: str | Path) -> Iterator[Image.Image]:
    """The opened, not yet decoded file; every failure inside the block becomes a DataError with the file's name."""
    try:
        with opened(path) as image:
            yield image
    except DataError as error:
        raise DataError(f"{path}: {error}") from error.__cause__


@contextmanager
def opened(path: str | Path) -> Iterator[Image.Image]:
    """`open_image`, whose errors do not name the file."""
    if is_special(Path(path)):
        raise DataError(NOT_A_FILE)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's remarks on size and metadata; what matters is raised below
            # not by its name: PIL then maps plain TIFFs into memory, and garbles those that lie on their side
            with Path(path).open("rb") as file:
                _check_header(file)
                with Image.open(file, formats=_FORMATS) as image:
                    _check_size(*image.size)
                    yield image
    except DataError:
        raise
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise DataError(_reason(error)) from error


def _check_header(file: BinaryIO) -> None:
    """Refuse a PPM whose header does not end."""
    head = file.read(MAX_HEADER)
    file.seek(0)
    if len(head) == MAX_HEADER and re.match(rb"P[1-6fy0]", head):
        numbers = re.sub(rb"#[^\r\n]*", b"", head).split()
        if len(numbers) < (3 if numbers[:1] in ([b"P1"], [b"P4"]) else 4):
            raise DataError(f"damaged: its header is longer than {MAX_HEADER // 1024} kB")


def _check_size(width: int, height: int) -> None:
    if width * height > MAX_PIXELS:
        limit = f"more than the {MAX_PIXELS / 1e6:.0f} megapixels that are read"
        raise DataError(f"{width} x {height} px are {limit}; make it smaller or cut it into tiles first")


def _reason(error: Exception) -> str:
    if isinstance(error, Image.UnidentifiedImageError):
        return f"not a picture that can be read ({', '.join(_FORMATS)}), or damaged at its beginning"
    if isinstance(error, Image.DecompressionBombError):
        return (
            f"more than the {MAX_PIXELS / 1e6:.0f} megapixels that are read; make it smaller or cut it into tiles first"
        )
    if isinstance(error, OSError) and error.strerror:
        return error.strerror.lower()
    return f"damaged or cut off ({error or type(error).__name__})"


def _eight_bit(image: Image.Image) -> Image.Image:
    """Upright, at most 8 bits a channel."""
    source = image
    if image.getexif().get(_ORIENTATION, 1) != 1:
        image = ImageOps.exif_transpose(image)
    deep = image.mode in ("I", "F") or image.mode.startswith("I;16")
    return _scaled(image, source) if deep else image


def _opaque(image: Image.Image) -> Image.Image:
    """Laid on white where it is transparent; in colours where it has a palette."""
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode in ("1", "P"):
        return image.convert("RGB")  # convert("L") would be the same for "1", and a palette has colours
    return image


def _scaled(image: Image.Image, source: Image.Image) -> Image.Image:
    """One channel of 16-bit integers (0..65535, or fewer bits where a TIFF says so) or floats (0..1) to 8 bits.

    source: the file's own image, which has its tags.
    """
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" else _top_of_integers(source, low, high)
    if not (low >= 0 and high <= top):
        raise DataError(
            f"its values {number(low)} to {number(high)} are not within 0 to {number(top)}, so that black and white "
            f"are not known: {_say_window('tiff', low, high)}"
        )
    opaque = values != image.info.get("transparency")  # a PNG may declare one level transparent
    return Image.fromarray(np.where(opaque, np.rint(values * (255 / top)), 255).astype(np.uint8))


def _top_of_integers(image: Image.Image, low: float, high: float) -> float:
    """The value of white. Raises DataError where it would be guessed."""
    tags = _tags(image)
    bits, kinds = tags.get(258, (16,))[0], tags.get(339, (1,))  # BitsPerSample, SampleFormat
    if bits > 16 or 1 not in kinds:
        raise DataError(
            f"its values, integers of {bits} bits{'' if 1 in kinds else ' with a sign'}, are from {number(low)} to "
            f"{number(high)}, and which of them mean black and white is not known: {_say_window('tiff', low, high)}"
        )
    if bits == 16 and image.format != "PPM":  # which says its white, to which PIL has brought the values
        _require_all_bits(low, high, "grey16")
    return float(2**bits - 1)


def _refuse_unused_bits(image: Image.Image) -> None:
    """Of 16-bit colours PIL keeps the upper bytes."""
    extrema = np.reshape(image.getextrema(), (-1, 2))
    colours = [pair for band, pair in zip(image.getbands(), extrema, strict=True) if band != "A"]
    low, high = np.min(colours), np.max(colours)
    _require_all_bits(float(low) * 256, float(high) * 256 + 255 if high else 0.0, "rgb16")


def _require_all_bits(low: float, high: float, codec: str) -> None:
    """Raise DataError for 16-bit values that 15 bits would hold: those of a camera of 10, 12 or 14 bits look so too."""
    if 0 < high < 2**15:
        raise DataError(
            f"its 16-bit values go from {number(low)} to {number(high)}, so that white may be 65535 or less: "
            f"{_say_window(codec, low, high)}"
        )


def _say_window(codec: str, low: float, high: float) -> str:
    least, most = suggestion(np.dtype(np.int32), low, high) if high == int(high) else (low, high)
    window = f"low: {number(least)}, high: {number(most)}"
    return f"name them in the codec of the data, as in `codec: {{type: {codec}, {window}}}`"
