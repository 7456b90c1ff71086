"""Segmentation maps that lie beside the pictures of a folder, or are listed with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gankit.codecs.images import read_classes
from gankit.core.errors import DataError
from gankit.data.images import by_name
from gankit.fields import Segmentation

SUFFIX = "_maps"
"""What the name of a folder of pictures ends in, where it is that of their maps."""


def folder_beside(pictures: Path) -> Path:
    """The folder in which the maps of a folder of pictures are looked for, if no other is named."""
    return pictures.with_name(f"{pictures.name}{SUFFIX}")


@dataclass(frozen=True)
class Maps:
    """Maps of so many classes: those in `folder` with the names of the pictures in `beside`, extensions apart; or the
    `listed` ones, picture -> map."""

    classes: int
    beside: Path = Path()
    folder: Path = Path()
    listed: Mapping[Path, Path] | None = None

    def of(self, pictures: Sequence[Path]) -> dict[Path, Path]:
        """Picture -> map. Raises DataError where one has none."""
        if self.listed is not None:
            return {path: self.listed[path] for path in pictures}
        maps = by_name(self.folder)
        names = {path: path.relative_to(self.beside).with_suffix("").as_posix() for path in pictures}
        if alone := [path for path, name in names.items() if name not in maps]:
            raise DataError(
                f"{len(alone)} of {len(pictures)} pictures have no map: the first is {alone[0]}, whose map would be "
                f"{self.folder / names[alone[0]]}.png"
            )
        return {path: maps[name] for path, name in names.items()}

    def read(self, path: Path) -> Tensor:
        """The classes of pixels, (1, H, W) uint8. Raises DataError, with the file, for one that is no such map."""
        try:
            pixels = read_classes(path)
        except DataError as error:
            text = str(error)
            raise DataError(text if str(path) in text else f"{path}: {text}") from error
        if (wrong := Segmentation(self.classes).fault_of_pixels(pixels)) is not None:
            raise DataError(f"{path}: {wrong}")
        return pixels
