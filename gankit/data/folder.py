"""One folder of pictures: checked from the headers at once, decoded when asked for."""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from gankit.codecs.base import Codec, WindowError, counted
from gankit.codecs.image import Image8
from gankit.core.errors import DataError
from gankit.data.disk_cache import identity
from gankit.data.images import list_images
from gankit.data.keeping import Keeping
from gankit.data.maps import Maps
from gankit.data.placed import Placed
from gankit.data.samples import Samples, from_bytes, stored_shape, to_bytes
from gankit.data.seams import check_single
from gankit.data.transforms import Transform

log = logging.getLogger("gankit.data")

LEFT_OUT = "left out a picture that cannot be read: %s"
"""What is logged of each picture whose header is broken."""


@dataclass(frozen=True)
class Headers:
    """Of the pictures whose header is sound: path -> (height, width), and channels. The others were named and left
    out."""

    sizes: dict[Path, tuple[int, int]]
    channels: dict[Path, int]
    left_out: list[str]


@dataclass(frozen=True)
class Share:
    """The part of some pictures that is inside a share of them, or outside; by their names, extensions apart."""

    share: float
    inside: bool

    def of(self, paths: Sequence[Path]) -> list[Path]:
        """Those. Raises DataError where there are none."""
        taken = [path for path in paths if self.takes(path)]
        if not taken:
            kind = "validation" if self.inside else "training"
            raise DataError(
                f"val: {self.share:g} of the {len(paths)} pictures beside {paths[0]} leaves none for {kind}"
            )
        return taken

    def takes(self, path: Path) -> bool:
        digest = hashlib.sha256(path.stem.encode()).digest()
        return (int.from_bytes(digest[:8], "big") < self.share * 2**64) == self.inside


def read_headers(paths: Sequence[Path], codec: Codec) -> Headers:
    """The sizes of many pictures without decoding any. Raises DataError if none is sound, or if what their values mean
    must be said."""
    headers = Headers({}, {}, [])
    for path in paths:
        try:
            headers.channels[path], *size = codec.shape(path)
            headers.sizes[path] = (size[0], size[1])
        except WindowError:
            raise
        except DataError as error:
            log.warning(LEFT_OUT, error)
            headers.left_out.append(str(path))
    if not headers.sizes:
        raise DataError(f"none of the {len(paths)} pictures beside {paths[0]} can be read")
    return headers


def channels_of(pictures: Mapping[Path, int], codec: Codec, wanted: int | None) -> int:
    """The channels of all pictures, given with those of their files: as many as wanted, or as they have if None.

    Raises DataError where the codec cannot give them.
    """
    if codec.converts_to:
        wanted = next(iter(pictures.values())) if wanted is None else wanted
        if wanted not in codec.converts_to:
            offered = " or ".join(map(str, sorted(codec.converts_to)))
            raise DataError(f"its codec gives {offered} channels, not {wanted}: choose another, such as tiff or npy")
        return wanted
    first = next(iter(pictures))
    wanted = pictures[first] if wanted is None else wanted
    other = next((path for path, channels in pictures.items() if channels != wanted), None)
    if other is not None:
        like = f" as {first} has" if pictures[first] == wanted else ""
        raise DataError(f"{other} has {counted(pictures[other])}, not {wanted}{like}")
    return wanted


def read_checked(path: Path, codec: Codec, channels: int, size: tuple[int, int], exact: bool = True) -> Tensor:
    """`Codec.raw`, and DataError where the decoded size is not the header's (height, width)."""
    return sized(path, codec.raw(path, channels, exact), size)


def sized(path: Path, picture: Tensor, size: tuple[int, int]) -> Tensor:
    """The picture. Raises DataError where its size is not the header's."""
    if tuple(picture.shape[-2:]) != size:
        raise DataError(
            f"{path}: its header says {size[1]} x {size[0]} px, its content {picture.shape[-1]} x {picture.shape[-2]}"
        )
    return picture


def check_room(pictures: Sequence[tuple[Path, tuple[int, int]]], transform: Transform) -> None:
    """Raise DataError if a picture, given with its (height, width), is smaller than the crop: what training would see
    of it would be made up by resizing. `enlarge` allows that where the transform resizes before it crops."""
    sizes = {path: transform.resized(*size) if transform.enlarge else size for path, size in pictures}
    crop = transform.crop
    small = [p for p in pictures if transform.crops and any(a < b for a, b in zip(sizes[p[0]], crop, strict=True))]
    if small:
        path, (height, width) = small[0]
        way = "use preprocess: resize_and_crop and " if transform.preprocess == "crop" else ""
        raise DataError(
            f"{len(small)} of {len(pictures)} pictures are smaller than {transform.shown_crop}: the first"
            f" is {path} ({width} x {height} px); lower crop_size, remove them, or {way}set enlarge: true"
        )


def with_maps(headers: Headers, maps: Maps) -> tuple[Headers, dict[Path, Path]]:
    """The pictures whose map's header is sound too, and their maps. Raises DataError where one has no map, or one of
    another size."""
    files = maps.of(list(headers.sizes))
    found = read_headers(list(files.values()), Image8())
    sizes = {path: size for path, size in headers.sizes.items() if files[path] in found.sizes}
    for path, size in sizes.items():
        if (other := found.sizes[files[path]]) != size:
            raise DataError(
                f"{files[path]} is {other[1]} x {other[0]} px, and its picture {path} {size[1]} x {size[0]} px: "
                "a map has the size of its picture"
            )
    channels = {path: headers.channels[path] for path in sizes}
    return Headers(sizes, channels, headers.left_out + found.left_out), {path: files[path] for path in sizes}


class Pictures:
    """The pictures of a folder and its subfolders, in the order of their names; or those of a list, in its order.

    channels: those of the files if None; afterwards those of all pictures. share: which of them; None: all. limit: the
    first so many of these. maps: where the segmentation map of each lies, if it has one.

    Raises DataError at once if the folder is missing or empty, if a picture is smaller than the crop or has other
    channels, if their values need a window, if a map is missing or of another size, or if more than `max_bad` headers
    are broken.
    """

    def __init__(
        self,
        folder: Path | Sequence[Path],
        transform: Transform,
        channels: int | None,
        max_bad: int,
        keeping: Keeping,
        codec: Codec,
        share: Share | None = None,
        limit: int | None = None,
        maps: Maps | None = None,
    ):
        paths = list_images(folder, codec.extensions) if isinstance(folder, Path) else folder
        headers = read_headers((share.of(paths) if share else paths)[:limit], codec)
        self._transform, self._codec, self._maps = transform, codec, maps
        headers, self._map_of = with_maps(headers, maps) if maps else (headers, {})
        self.channels = channels = channels_of(headers.channels, codec, channels)
        self._sizes = list(headers.sizes.items())
        check_room(self._sizes, transform)
        planes = channels + bool(maps)
        shapes = [stored_shape((planes, *transform.resized(*s)), codec.stored) for s in headers.sizes.values()]
        names = [str(path) for path in headers.sizes]
        self._samples = Samples(names, shapes, self._make, self._describe, max_bad, keeping, headers.left_out)

    def __len__(self) -> int:
        return len(self._samples)

    @property
    def paths(self) -> list[Path]:
        """The files, in the order of the pictures."""
        return [path for path, _ in self._sizes]

    @property
    def maps(self) -> list[Path]:
        """The files of their maps, in the same order."""
        return [self._map_of[path] for path in self.paths] if self._maps else []

    def check_single(self) -> None:
        """Warn where they look like pairs side by side."""
        check_single(dict(self._sizes), self._codec)

    def _make(self, index: int) -> Tensor:
        """The resized picture, and its map as one channel more."""
        path, size = self._sizes[index]
        picture = self._transform.resize(read_checked(path, self._codec, self.channels, size, self._transform.exact))
        if self._maps:
            map = self._transform.resize(sized(self._map_of[path], self._maps.read(self._map_of[path]), size), True)
            picture = torch.cat([picture, map.to(picture.dtype)])
        return to_bytes(picture)

    def _describe(self, index: int) -> str:
        path = self._sizes[index][0]
        how = self._transform.exact, self._transform.interpolation
        map = (identity(self._map_of[path]), self._maps.classes) if self._maps else ()
        return repr((identity(path), how, self._codec, *map))

    def placed(self, index: int, generator: torch.Generator | None) -> Placed:
        """Without a generator nothing is random."""
        return self.found(index, generator)[1]

    def found(self, index: int, generator: torch.Generator | None) -> tuple[Path, Placed]:
        """The same with its file, which is another where that of `index` is broken."""
        path, (picture, *_) = self._found(index, generator)
        return path, picture

    def mapped(self, index: int, generator: torch.Generator | None) -> tuple[Placed, Placed | None]:
        """The picture and its map, where there are maps: the same part of it."""
        _, (picture, *map) = self._found(index, generator)
        return picture, map[0] if map else None

    def _found(self, index: int, generator: torch.Generator | None) -> tuple[Path, list[Placed]]:
        index, stored = self._samples.find(index)
        both = from_bytes(stored, self._codec.stored)
        placement = self._transform.draw(both, generator)
        parts = [self._transform.at(both[: self.channels], placement)]
        if self._maps:
            map = both[self.channels :].to(torch.uint8)
            parts.append(self._transform.at(map, placement, self._maps.classes))
        return self._sizes[index][0], parts
