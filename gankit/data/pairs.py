"""Finding the pairs of pictures in folders, from names and headers alone."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from gankit.codecs.base import Codec
from gankit.codecs.images import EXTENSIONS, read_classes
from gankit.core.errors import DataError
from gankit.data.folder import Headers, read_checked, read_headers, sized
from gankit.data.images import by_name, list_images
from gankit.data.seams import check_halves
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


def split_folder(folder: Path) -> tuple[Path, Path] | None:
    """The folders of the two sides of `train`, say: train/A and train/B, or A/train and B/train, in capitals or small
    letters; None where they are not there.

    Raises DataError where one is there without the other, or pictures lie beside them.
    """
    sides = sides_of(folder) or sides_of(folder.parent, folder.name)
    if not sides:
        return None
    if len(sides) == 1:
        name, path = next(iter(sides.items()))
        raise DataError(f"there is a folder {path}, but none for the other side, {'B' if name == 'a' else 'A'}")
    pictures = [path for path in folder.glob("*") if path.is_file() and path.suffix.lower() in EXTENSIONS]
    if pictures:
        raise DataError(
            f"{folder} holds pictures, such as {min(pictures).name}, beside the folders A and B; pairs are either side "
            "by side in one file, or in two folders"
        )
    return sides["a"], sides["b"]


def refuse_unpaired_layout(folder: Path, names: tuple[str, str]) -> None:
    """Raise DataError where the folder of pairs is not there, and trainA and trainB are, with the options that take
    them."""
    sides = [folder.with_name(f"{folder.name}{side}") for side in "AB"]
    if not folder.exists() and all(side.is_dir() for side in sides):
        a, b = (side.name for side in sides)
        raise DataError(
            f"{folder} does not exist; where {a} and {b} beside it hold pairs, pictures of equal names, say "
            f"data.{names[0]}: {a} and data.{names[1]}: {b}"
        )


def sides_of(folder: Path, below: str = "") -> dict[str, Path]:
    """Those of the folders A and B (in them, `below`) that are there."""
    found = {path.name.lower(): path / below for path in sorted(folder.glob("[abAB]"), reverse=True)}
    return {name: path for name, path in sorted(found.items()) if path.is_dir()}


def side_by_side(folder: Path, codec: Codec) -> tuple[list[Pair], list[str]]:
    """A is the left half, B the right one (an odd last column is dropped); and the files that are broken.

    Pictures that do not look like two are warned about.
    """
    headers = read_headers(list_images(folder, codec.extensions), codec)
    if narrow := [path for path, size in headers.sizes.items() if size[1] < 2]:
        raise DataError(f"{narrow[0]} is one pixel wide: it cannot hold two pictures side by side")
    if odd := [path for path, size in headers.sizes.items() if size[1] % 2]:
        text = "%d of %d pictures side by side have an odd width: their last column is left out; the first is %s"
        log.warning(text, len(odd), len(headers.sizes), odd[0])
    check_halves(headers.sizes, codec)
    pairs = []
    for path, size in headers.sizes.items():
        half, channels = size[1] // 2, headers.channels[path]
        pairs.append(Pair(Part(path, size, channels, 0, half), Part(path, size, channels, half, half)))
    return pairs, headers.left_out


def two_folders(first: Path, second: Path, codecs: tuple[Codec, Codec]) -> tuple[list[Pair], list[str]]:
    """Pictures of one name, extensions apart; and the broken files. A picture without partner is a DataError."""
    a, b = by_name(first, codecs[0].extensions), by_name(second, codecs[1].extensions)
    if alone := sorted(a.keys() ^ b.keys()):
        where, missing = (first, second) if alone[0] in a else (second, first)
        raise DataError(
            f"{len(alone)} pictures have no partner: the first is {alone[0]} in {where}, which {missing} lacks; "
            "give both pictures of a pair the same name"
        )
    return named([(path, b[name]) for name, path in a.items()], codecs)


def named(files: Sequence[tuple[Path, Path]], codecs: tuple[Codec, Codec]) -> tuple[list[Pair], list[str]]:
    """Pairs of these files; and the broken ones. A file may belong to several."""
    a, b = (
        read_headers(list(dict.fromkeys(side)), codec)
        for side, codec in zip(zip(*files, strict=True), codecs, strict=True)
    )
    pairs = [Pair(_whole(x, a), _whole(y, b)) for x, y in files if x in a.sizes and y in b.sizes]
    if not pairs:
        raise DataError(
            f"no pair can be read: of {files[0][0]} and {files[0][1]}, and {len(files) - 1} others, one is broken"
        )
    return pairs, a.left_out + b.left_out


def _whole(path: Path, headers: Headers) -> Part:
    size = headers.sizes[path]
    return Part(path, size, headers.channels[path], 0, size[1])
