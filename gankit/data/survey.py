"""A look at every picture file of a data set: what it is, whether it can be read, and which are the same picture."""

from __future__ import annotations

import hashlib
import io
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from itertools import combinations
from pathlib import Path
from statistics import median
from typing import Any

from PIL import Image, ImageCms, ImageFile
from torch import Tensor

from gankit.codecs.base import Codec, counted, damaged
from gankit.codecs.image import Image8
from gankit.codecs.images import class_pixels, image_pixels, open_image, orientation_of
from gankit.codecs.masks import mask_pixels
from gankit.core.errors import DataError
from gankit.fields import Field, Mask, Picture, Segmentation

MODES = {
    **{
        "1": "black and white",
        "I;16": "grey",
        "I;16B": "grey",
        "L": "grey",
        "LA": "grey with alpha",
        "P": "palette",
        "PA": "palette with alpha",
    },
    **{"I": "integers", "F": "floats"},
}
"""PIL's words for kinds of pictures that say little to others."""


@dataclass(frozen=True)
class Look:
    """What one file is.

    size: (height, width) of the upright picture. kind: "RGB of 8 bits". transparent: in some pixel. turned: by EXIF.
    profile: of its colours, where it is another than sRGB. white: the share of a mask. digest: equal for pictures of
    equal pixels, whatever the files. broken: why it cannot be read; the rest is empty then.
    """

    path: Path
    size: tuple[int, int] = (0, 0)
    kind: str = ""
    transparent: bool = False
    turned: bool = False
    profile: str = ""
    white: float | None = None
    digest: bytes = b""
    broken: str = ""


def look(path: Path, field: Field, codec: Codec) -> Look:
    """Read a file as a field of an item is read. A file that cannot be is a `Look` that says why."""
    try:
        if isinstance(codec, Image8) or not isinstance(field, Picture):
            return _of_image(path, field)
        picture = codec.read(path)
        with damaged(path):
            kind = f"{codec.header(path).dtype} of {counted(len(picture))}"
        return Look(path, _size(picture), kind, digest=_digest(picture))
    except DataError as error:
        return Look(path, broken=str(error).removeprefix(f"{path}: "))


def _of_image(path: Path, field: Field) -> Look:
    with open_image(path) as image:
        tiles = image.tile if isinstance(image, ImageFile.ImageFile) else ()
        deep = image.mode.startswith("I;16") or any(";16" in str(tile[3]) for tile in tiles)
        bits = 16 if deep else {"1": 1, "I": 32, "F": 32}.get(image.mode, 8)
        seen = Look(path, kind=f"{MODES.get(image.mode, image.mode)} of {bits} bit{'s' * (bits > 1)}")
        seen = replace(seen, turned=orientation_of(image) > 1, profile=_profile(image.info.get("icc_profile")))
        if isinstance(field, Mask):
            pixels = mask_pixels(image)[0]
            seen = replace(seen, white=float(pixels.float().mean()))
        elif isinstance(field, Segmentation):
            pixels = class_pixels(image)
            if (wrong := field.fault_of_pixels(pixels)) is not None:
                raise DataError(wrong)
        else:
            pixels = image_pixels(image)
            seen = replace(seen, transparent=_is_transparent(image))
        return replace(seen, size=_size(pixels), digest=_digest(pixels))


def _is_transparent(image: Image.Image) -> bool:
    """Not where every pixel of an alpha channel is opaque."""
    if not image.has_transparency_data or image.mode.startswith(("I", "F")):
        return False
    return image.convert("RGBA").getchannel("A").getextrema()[0] < 255  # pyright: ignore[reportOperatorIssue]  # one channel


def _profile(profile: bytes | None) -> str:
    """The name of a colour profile; nothing for sRGB."""
    if not profile:
        return ""
    try:
        name = ImageCms.getProfileDescription(ImageCms.ImageCmsProfile(io.BytesIO(profile))).strip()
    except Exception:  # of a damaged one, whatever the library comes up with
        name = ""
    return "" if "srgb" in name.lower() else name or "an unknown one"


def _size(picture: Tensor) -> tuple[int, int]:
    return picture.shape[-2], picture.shape[-1]


def _digest(picture: Tensor) -> bytes:
    shaped = hashlib.blake2b(repr(tuple(picture.shape)).encode(), digest_size=16)
    shaped.update(picture.contiguous().numpy().data)
    return shaped.digest()


@dataclass(frozen=True)
class Part:
    """The files of one side of one split. name: for people. count: of all files; looks: of those that were read."""

    name: str
    split: str
    side: str
    field: Field
    count: int
    looks: Sequence[Look]

    @property
    def sound(self) -> list[Look]:
        return [seen for seen in self.looks if not seen.broken]

    @property
    def broken(self) -> list[Look]:
        return [seen for seen in self.looks if seen.broken]

    @property
    def whites(self) -> dict[str, float] | None:
        """The least, middle and greatest share of its masks."""
        return spread([seen.white for seen in self.sound if seen.white is not None])

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        sizes = Counter(f"{width} x {height}" for height, width in (seen.size for seen in self.sound))
        return {
            **{"name": self.name, "files": self.count, "looked_at": len(self.looks)},
            "sizes": dict(sizes.most_common()),
            "kinds": dict(Counter(seen.kind for seen in self.sound).most_common()),
            "endings": dict(Counter(seen.path.suffix.lower() for seen in self.looks).most_common()),
            "transparent": sum(seen.transparent for seen in self.sound),
            "turned": sum(seen.turned for seen in self.sound),
            "profiles": dict(Counter(seen.profile for seen in self.sound if seen.profile).most_common()),
            "white": self.whites,
            "broken": {str(seen.path): seen.broken for seen in self.broken},
        }


def spread(values: Sequence[float]) -> dict[str, float] | None:
    """The least, middle and greatest value; None of none."""
    return {"least": min(values), "median": median(values), "most": max(values)} if values else None


def copies_within(part: Part) -> list[tuple[Path, Path]]:
    """Pictures that are there already, each with the first file that holds it."""
    first: dict[bytes, Path] = {}
    kept = ((first.setdefault(seen.digest, seen.path), seen.path) for seen in part.sound)
    return [(one, other) for one, other in kept if one != other]


def copies_between(parts: Iterable[Part]) -> list[tuple[Part, Part, list[tuple[Path, Path]]]]:
    """Pairs of parts of pictures that hold the same picture, each with the files of both."""
    found = []
    for one, other in combinations([part for part in parts if isinstance(part.field, Picture)], 2):
        files = {seen.digest: seen.path for seen in one.sound}
        if same := [(files[seen.digest], seen.path) for seen in other.sound if seen.digest in files]:
            found.append((one, other, same))
    return found
