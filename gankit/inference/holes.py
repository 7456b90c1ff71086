"""The holes of pictures that `translate` is to fill: from masks, or from what is transparent."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from functools import partial
from pathlib import Path

from torch import Tensor

from gankit.codecs.base import Codec
from gankit.codecs.masks import read_mask
from gankit.core.errors import DataError
from gankit.data.images import list_images
from gankit.methods.base import Method

Provider = Callable[[Path, Tensor], Mapping[str, Tensor]]
"""(file, its picture (1, C, H, W)) -> the inputs of the method beside the picture, by name."""


def hole_provider(method: Method, mask: Path | None, codec: Codec) -> Provider | None:
    """What gives each picture its hole; None for methods that fill none.

    mask: a picture, white = hole, for all; or a folder of them with the names of the pictures, whatever their
    extensions; without it the transparent pixels of a picture are its hole. codec: of the pictures. Raises DataError
    where the mask is missing, or the method fills no holes; the provider does for a picture without a hole, or a mask
    of another size.
    """
    if "hole" not in method.inputs:
        if mask is not None:
            raise DataError("a mask is for methods that fill holes, such as inpainting; this run's does not")
        return None
    if mask is None:
        return partial(_transparent, codec)
    if not mask.exists():
        raise DataError(f"{mask}: there is no such mask")
    if not mask.is_dir():
        return lambda source, picture: {"hole": _read(mask, source, picture)}
    named = defaultdict(list)
    for path in list_images(mask):
        named[path.stem].append(path)

    def of_folder(source: Path, picture: Tensor) -> Mapping[str, Tensor]:
        paths = named.get(source.stem, [])
        if len(paths) != 1:
            what = (
                f"{' and '.join(map(str, paths))} have the same name" if paths else f"{mask} has no file of that name"
            )
            raise DataError(f"{source}: it needs one mask, but {what}")
        return {"hole": _read(paths[0], source, picture)}

    return of_folder


def _read(mask: Path, source: Path, picture: Tensor) -> Tensor:
    hole = read_mask(mask)[None]
    if hole.shape[-2:] != picture.shape[-2:]:
        (height, width), (rows, columns) = picture.shape[-2:], hole.shape[-2:]
        raise DataError(
            f"{source} is {width} x {height} px, but its mask {mask} is {columns} x {rows}: make them equal"
        )
    return hole.to(picture)


def _transparent(codec: Codec, source: Path, picture: Tensor) -> Mapping[str, Tensor]:
    hole = codec.transparent(source)
    if hole is None or not hole.any():
        raise DataError(
            f"{source}: its hole is unknown; give a mask, white where the picture is to be filled, with --mask, or"
            " make those pixels transparent"
        )
    if hole.all():
        raise DataError(f"{source}: all of it is transparent, so that nothing is known of it; give a mask with --mask")
    return {"hole": hole[None].to(picture)}
