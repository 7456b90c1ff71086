"""Finding the pairs of pictures in folders, from names and headers alone."""

from __future__ import annotations

from pathlib import Path
from typing import NamedTuple

from torch import Tensor

from gankit.core.errors import DataError
from gankit.data.folder import read_checked, read_headers
from gankit.data.images import list_images


class Part(NamedTuple):
    """A file of (height, width) `size`, or `width` columns of it from `left` on."""

    path: Path
    size: tuple[int, int]
    left: int
    width: int

    @property
    def shape(self) -> tuple[int, int]:
        return self.size[0], self.width

    def read(self, channels: int, exact: bool) -> Tensor:
        """(channels, height, width) uint8; exact: see `read_image`."""
        return read_checked(self.path, channels, self.size, exact)[..., self.left : self.left + self.width]


class Pair(NamedTuple):
    a: Part
    b: Part


def side_by_side(folder: Path) -> tuple[list[Pair], list[str]]:
    """A is the left half, B the right one (an odd last column is dropped); and the files that are broken."""
    headers = read_headers(list_images(folder))
    if narrow := [path for path, size in headers.sizes.items() if size[1] < 2]:
        raise DataError(f"{narrow[0]} is one pixel wide: it cannot hold two pictures side by side")
    pairs = []
    for path, size in headers.sizes.items():
        half = size[1] // 2
        pairs.append(Pair(Part(path, size, 0, half), Part(path, size, half, half)))
    return pairs, headers.left_out


def two_folders(first: Path, second: Path) -> tuple[list[Pair], list[str]]:
    """Pictures of one name, extensions apart; and the broken files. A picture without partner is a DataError."""
    a, b = _by_name(first), _by_name(second)
    if alone := sorted(a.keys() ^ b.keys()):
        where, missing = (first, second) if alone[0] in a else (second, first)
        raise DataError(
            f"{len(alone)} pictures have no partner: the first is {alone[0]} in {where}, which {missing} lacks; "
            "give both pictures of a pair the same name"
        )
    sound_a, sound_b = read_headers(list(a.values())), read_headers(list(b.values()))
    pairs = []
    for name, path in a.items():
        if path in sound_a.sizes and b[name] in sound_b.sizes:
            parts = (
                Part(p, size, 0, size[1])
                for p, size in ((path, sound_a.sizes[path]), (b[name], sound_b.sizes[b[name]]))
            )
            pairs.append(Pair(*parts))
    if not pairs:
        raise DataError(f"no pair of {first} and {second} can be read")
    return pairs, sound_a.left_out + sound_b.left_out


def _by_name(folder: Path) -> dict[str, Path]:
    """Path under the folder, without extension -> file."""
    found: dict[str, Path] = {}
    for path in list_images(folder):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in found:
            raise DataError(f"{found[name]} and {path} have one name: which of them belongs to the pair is not known")
        found[name] = path
    return found
