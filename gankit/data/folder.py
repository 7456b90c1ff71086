"""One folder of pictures: checked from the headers at once, decoded when asked for."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gankit.core.errors import DataError
from gankit.data.disk_cache import identity
from gankit.data.images import image_size, list_images, read_image
from gankit.data.keeping import Keeping
from gankit.data.placed import Placed
from gankit.data.samples import Samples
from gankit.data.transforms import Transform

log = logging.getLogger("gankit.data")


@dataclass(frozen=True)
class Headers:
    """Of the pictures whose header is sound: path -> (height, width). The others were named and left out."""

    sizes: dict[Path, tuple[int, int]]
    left_out: list[str]


def read_headers(paths: Sequence[Path]) -> Headers:
    """The sizes of many pictures without decoding any. Raises DataError if none is sound."""
    headers = Headers({}, [])
    for path in paths:
        try:
            headers.sizes[path] = image_size(path)
        except DataError as error:
            log.warning("left out a picture: %s", error)
            headers.left_out.append(str(path))
    if not headers.sizes:
        raise DataError(f"none of the {len(paths)} pictures beside {paths[0]} can be read")
    return headers


def read_checked(path: Path, channels: int, size: tuple[int, int], exact: bool = True) -> Tensor:
    """`read_image`, and DataError where the decoded size is not the header's (height, width)."""
    picture = read_image(path, channels, exact)
    if tuple(picture.shape[-2:]) != size:
        raise DataError(
            f"{path}: its header says {size[1]} x {size[0]} px, its content {picture.shape[-1]} x {picture.shape[-2]}"
        )
    return picture


def check_room(pictures: Sequence[tuple[Path, tuple[int, int]]], transform: Transform) -> None:
    """Raise DataError if a picture, given with its (height, width), is smaller than the crop: what training would see
    of it would be made up by resizing. `enlarge` allows that where the transform resizes before it crops."""
    sizes = {path: transform.resized(*size) if transform.enlarge else size for path, size in pictures}
    small = [p for p in pictures if transform.crops and min(sizes[p[0]]) < transform.crop_size]
    if small:
        path, (height, width) = small[0]
        way = "use preprocess: resize_and_crop and " if transform.preprocess == "crop" else ""
        raise DataError(
            f"{len(small)} of {len(pictures)} pictures are smaller than crop_size = {transform.crop_size}: the first"
            f" is {path} ({width} x {height} px); lower crop_size, take them out, or {way}set enlarge: true"
        )


class Pictures:
    """The pictures of a folder and its subfolders, in the order of their names.

    Raises DataError at once if the folder is missing or empty, if a picture is smaller than the crop, or if more than
    `max_bad` headers are broken.
    """

    def __init__(self, folder: Path, transform: Transform, channels: int, max_bad: int, keeping: Keeping):
        headers = read_headers(list_images(folder))
        self._transform = transform
        self._channels = channels
        self._sizes = list(headers.sizes.items())
        check_room(self._sizes, transform)
        shapes = [(channels, *transform.resized(*size)) for size in headers.sizes.values()]
        names = [str(path) for path in headers.sizes]
        self._samples = Samples(names, shapes, self._make, self._describe, max_bad, keeping, headers.left_out)

    def __len__(self) -> int:
        return len(self._samples)

    def _make(self, index: int) -> Tensor:
        path, size = self._sizes[index]
        return self._transform.resize(read_checked(path, self._channels, size, self._transform.exact))

    def _describe(self, index: int) -> str:
        return repr((identity(self._sizes[index][0]), self._transform.exact))

    def placed(self, index: int, generator: torch.Generator | None) -> Placed:
        """Without a generator nothing is random."""
        _, picture = self._samples.find(index)
        return self._transform.at(picture, self._transform.draw(picture, generator))
