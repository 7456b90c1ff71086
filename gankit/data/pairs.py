"""Finding the pairs of pictures in folders, from names and headers alone."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from gankit.codecs.base import Codec
from gankit.codecs.images import read_classes
from gankit.core.errors import DataError
from gankit.data.folder import Headers, read_checked, read_headers, sized
from gankit.data.images import list_images
from gankit.fields import Picture, Segmentation

log = logging.getLogger("gankit.data")


class Part(NamedTuple):
    """A file of (height, width) `size` with `channels`, or `width` columns of it from `left` on."""

    path: Path
    size: tuple[int, int]
    channels: int
    left: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.size[0], self.width

    def read(self, field: Picture | Segmentation, codec: Codec, exact: bool) -> Tensor:
        """(channels, height, width), as `Codec.raw` gives it; of a map (1, height, width), its classes, uint8."""
        if isinstance(field, Segmentation):
            pixels = sized(self.path, read_classes(self.path), self.size)
            if (wrong := field.fault_of_pixels(pixels)) is not None:
                raise DataError(f"{self.path}: {wrong}")
        else:
            pixels = read_checked(self.path, codec, field.channels, self.size, exact)
        return pixels[..., self.left : self.left + self.width]


class Pair(NamedTuple):
    a: Part
    b: Part


def side_by_side(folder: Path, codec: Codec) -> tuple[list[Pair], list[str]]:
    """A is the left half, B the right one (an odd last column is dropped); and the files that are broken."""
    headers = read_headers(list_images(folder, codec.extensions), codec)
    if narrow := [path for path, size in headers.sizes.items() if size[1] < 2]:
        raise DataError(f"{narrow[0]} is one pixel wide: it cannot hold two pictures side by side")
    if odd := [path for path, size in headers.sizes.items() if size[1] % 2]:
        text = "%d of %d pictures side by side have an odd width: their last column is left out; the first is %s"
        log.warning(text, len(odd), len(headers.sizes), odd[0])
    pairs = []
    for path, size in headers.sizes.items():
        half, channels = size[1] // 2, headers.channels[path]
        pairs.append(Pair(Part(path, size, channels, 0, half), Part(path, size, channels, half, half)))
    return pairs, headers.left_out


def two_folders(first: Path, second: Path, codecs: tuple[Codec, Codec]) -> tuple[list[Pair], list[str]]:
    """Pictures of one name, extensions apart; and the broken files. A picture without partner is a DataError."""
    a, b = _by_name(first, codecs[0]), _by_name(second, codecs[1])
    if alone := sorted(a.keys() ^ b.keys()):
        where, missing = (first, second) if alone[0] in a else (second, first)
        raise DataError(
            f"{len(alone)} pictures have no partner: the first is {alone[0]} in {where}, which {missing} lacks; "
            "give both pictures of a pair the same name"
        )
    sound_a, sound_b = (read_headers(list(files.values()), c) for files, c in zip((a, b), codecs, strict=True))
    pairs = []
    for name, path in a.items():
        if path in sound_a.sizes and b[name] in sound_b.sizes:
            pairs.append(Pair(_whole(path, sound_a), _whole(b[name], sound_b)))
    if not pairs:
        raise DataError(f"no pair of {first} and {second} can be read")
    return pairs, sound_a.left_out + sound_b.left_out


def _whole(path: Path, headers: Headers) -> Part:
    size = headers.sizes[path]
    return Part(path, size, headers.channels[path], 0, size[1])


def _by_name(folder: Path, codec: Codec) -> dict[str, Path]:
    """Path under the folder, without extension -> file."""
    files: dict[str, Path] = {}
    for path in list_images(folder, codec.extensions):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in files:
            raise DataError(f"{files[name]} and {path} have one name: which of them belongs to the pair is not known")
        files[name] = path
    return files
