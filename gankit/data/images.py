"""Reading any picture file to uint8, saving PNG, and the two value ranges.

PIL decodes. Training may read plain JPEG files through torchvision, which is a little faster and hands over a tensor;
its libjpeg is another one than PIL's, which gave the same bits wherever the two were compared. For PNG it is no choice:
torchvision's decoder kills the process on some damaged files.
"""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import cast

import numpy as np
import torch
from PIL import Image, ImageOps
from torch import Tensor

from gankit.core.errors import DataError, GankitError

EXTENSIONS = frozenset({".jpg", ".jpeg", ".png", ".webp", ".bmp", ".tif", ".tiff", ".ppm", ".pgm"})
MAX_PIXELS = 2**27
"""Larger pictures are refused from their header, before anything is decoded (400 MB as RGB)."""

_FORMATS = ("JPEG", "PNG", "WEBP", "BMP", "TIFF", "PPM")  # never EPS and the like, which run programs
_ORIENTATION = 0x0112
_TRANSPOSED = range(5, 9)  # EXIF orientations that exchange width and height
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
    with _open(path) as image:
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


def image_pixels(image: Image.Image, channels: int = 3) -> Tensor:
    """(channels, H, W) uint8 of a PIL image, as of a file.

    Raises DataError when it is empty or cannot be decoded, and when its values have no known scale.
    """
    try:
        image.load()
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise DataError(_reason(error)) from error
    if 0 in image.size:
        raise DataError(f"a picture of {image.width} x {image.height} px has nothing to show")
    pixels = np.array(_eight_bit(ImageOps.exif_transpose(image)).convert(_MODES[channels]))
    return torch.from_numpy(pixels.reshape(*pixels.shape[:2], channels)).permute(2, 0, 1)


def read_transparent(path: str | Path) -> Tensor | None:
    """Where the picture in a file is transparent, more than half: (1, H, W) of bool; None where it says nothing of it.

    Videos say nothing either. Raises DataError as `read_image` does.
    """
    if Path(path).suffix.lower() not in EXTENSIONS:
        return None
    with _open(path) as image:
        image.load()
        if not image.has_transparency_data or image.mode.startswith(("I", "F")):
            return None
        alpha = np.array(ImageOps.exif_transpose(image).convert("RGBA"))[..., 3]
        return torch.from_numpy(alpha < 128)[None]


def image_size(path: str | Path) -> tuple[int, int]:
    """(height, width) of the upright picture, from the file's header alone. Raises DataError."""
    with _open(path) as image:
        width, height = image.size
        tags = getattr(image, "tag_v2", {})  # of a TIFF, whose `size` is upright already in some releases of PIL
        width, height = tags.get(256, width), tags.get(257, height)
        exif = Image.Image.getexif(image)  # not PNG's own, which decodes the picture in search of a late chunk
        return (width, height) if exif.get(_ORIENTATION) in _TRANSPOSED else (height, width)


def list_images(folder: str | Path) -> list[Path]:
    """All picture files in a folder and its subfolders, sorted, hidden ones left out. Raises DataError if none."""
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder.absolute()} {what}; a folder of pictures was looked for there")
    found = (Path(parent, name) for parent, _, names in os.walk(folder, followlinks=True) for name in names)
    paths = sorted(p for p in found if p.suffix.lower() in EXTENSIONS and not p.name.startswith("."))
    if not paths:
        raise DataError(
            f"{folder.absolute()} holds no picture; looked for files ending in {', '.join(sorted(EXTENSIONS))}"
        )
    return paths


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
    path = Path(path)
    pixels = (picture if picture.dtype == torch.uint8 else from_model_range(picture)).cpu().permute(1, 2, 0).numpy()
    unfinished = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels).save(unfinished, format="PNG")
        unfinished.replace(path)
    except OSError as error:
        raise GankitError(f"{path}: the picture cannot be written: {(error.strerror or str(error)).lower()}") from error
    finally:
        unfinished.unlink(missing_ok=True)


@contextmanager
def _open(path: str | Path) -> Iterator[Image.Image]:
    """The opened, not yet decoded file; every failure inside the block becomes a DataError."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PIL's remarks on size and metadata; what matters is raised below
            with Image.open(path, formats=_FORMATS) as image:
                _check_size(*image.size)
                yield image
    except DataError as error:
        raise DataError(f"{path}: {error}") from None
    except Exception as error:  # a decoder may raise anything on a damaged file
        raise DataError(f"{path}: {_reason(error)}") from error


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
    """Opaque, at most 8 bits a channel."""
    if image.mode in ("I", "F") or image.mode.startswith("I;16"):
        return _scaled(image)
    if image.has_transparency_data:
        image = image.convert("RGBA")
        return Image.alpha_composite(Image.new("RGBA", image.size, "white"), image).convert("RGB")
    if image.mode in ("1", "P"):
        return image.convert("RGB")  # convert("L") would be the same for "1", and a palette has colours
    return image


def _scaled(image: Image.Image) -> Image.Image:
    """One channel of 16-bit integers (0..65535, or fewer bits where a TIFF says so) or floats (0..1) to 8 bits."""
    values = np.asarray(image).astype(np.float64)
    low, high = float(values.min()), float(values.max())
    top = 1.0 if image.mode == "F" else _top_of_integers(image)
    if not (low >= 0 and high <= top):
        raise DataError(
            f"its values {low:g} to {high:g} are not within 0 to {top:g}, so that black and white are not known; "
            "save it with 8 or 16 bits a channel"
        )
    opaque = values != image.info.get("transparency")  # a PNG may declare one level transparent
    return Image.fromarray(np.where(opaque, np.rint(values * (255 / top)), 255).astype(np.uint8))


def _top_of_integers(image: Image.Image) -> float:
    bits = getattr(image, "tag_v2", {}).get(258, (16,))  # BitsPerSample
    return float(2 ** min(bits[0], 16) - 1)
