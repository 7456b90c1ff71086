"""What a translation needs beside the picture, as a user gives it: numbers, labels, files of maps and masks."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from gankit.codecs.base import Codec
from gankit.codecs.image import Image8
from gankit.codecs.images import class_pixels, image_pixels, read_classes, read_image
from gankit.codecs.masks import mask_pixels, read_mask
from gankit.core.errors import DataError
from gankit.core.words import suggest
from gankit.data.images import list_images
from gankit.fields import Field, Mask, Segmentation
from gankit.inference.holes import Provider, hole_provider
from gankit.methods.base import Method

HOLE = "hole"


def pairs(texts: Sequence[str]) -> dict[str, str]:
    """NAME=VALUE texts -> values by name. Raises DataError."""
    values: dict[str, str] = {}
    for text in texts:
        name, equals, value = text.partition("=")
        if not equals or not name or not value:
            raise DataError(f"--given {text}: write NAME=VALUE, such as label=2")
        if name in values:
            raise DataError(f"--given {name} is given twice")
        values[name] = value
    return values


def wanted_of(method: Method, direction: str) -> dict[str, Field]:
    """What a translation takes beside the source, by name, with what it may take."""
    more = {name: method.kind_of(name) for name in method.optional}
    return {name: kind for name, kind in (method.needs(direction) | more).items() if name != "source"}


def provider(
    method: Method, direction: str, given: Mapping[str, str], mask: Path | None = None, codec: Codec | None = None
) -> Provider | None:
    """What gives each picture its other inputs; None for methods that need none.

    given: by name a number, a label, or a file, which serves all pictures, or a folder of files with the names of the
    pictures, whatever their extensions. mask: the same for the `hole` (see `gankit.inference.holes`). codec: of the
    pictures; 8-bit ones if None. Raises DataError where a name is not asked for, a needed one is missing, or a value is
    none; the provider does for a file of another size than its picture.
    """
    if mask is not None and HOLE in given:
        raise DataError("the hole is given twice: by --mask and by --given hole")
    mask = Path(given[HOLE]) if HOLE in given else mask
    if mask is not None or HOLE in method.inputs:
        holes = hole_provider(method, mask, codec or Image8())
    else:
        holes = None
    wanted = {name: kind for name, kind in wanted_of(method, direction).items() if name != HOLE}
    given = {name: text for name, text in given.items() if name != HOLE}
    check_names(method, direction, {*given, HOLE})
    fixed = {name: read_text(name, wanted[name], text) for name, text in given.items() if not wanted[name].spatial}
    files = {name: _Files(name, wanted[name], Path(text)) for name, text in given.items() if wanted[name].spatial}
    if not given and holes is None:
        return None

    def of(source: Path, picture: Tensor) -> Mapping[str, Tensor]:
        inputs = dict(holes(source, picture)) if holes else {}
        inputs |= {name: value[None].to(picture.device) for name, value in fixed.items()}
        return inputs | {name: one.of(source, picture) for name, one in files.items()}

    return of


def check_names(method: Method, direction: str, names: set[str] | Mapping[str, Any]) -> None:
    """Raise DataError where a needed input is not given, or one is given that nothing asks for.

    A name that no method knows is told, but for `hole`, which `gankit.inference.holes` looks after.
    """
    wanted = wanted_of(method, direction)
    for name in names:
        if name not in wanted and name != HOLE:
            near = suggest(name, list(wanted))
            takes = f"it takes {', '.join(wanted)}" if wanted else "it takes only the picture"
            hint = f"; did you mean `{near}`?" if near else ""
            raise DataError(f"this run takes no `{name}`: {takes}{hint}")
    for name, kind in wanted.items():
        if name not in names and name not in method.optional:
            raise DataError(
                f"this run needs `{name}`, {kind.words}: {kind.asked(name)}; in Python given={{{name!r}: ...}}"
            )


def read_text(name: str, kind: Field, text: str) -> Tensor:
    """One item of what was written. Raises DataError."""
    try:
        return kind.read(text)
    except ValueError as e:
        raise DataError(f"`{name}` given: {e}") from e


def read_file(kind: Field, path: Path) -> Tensor:
    """One item of a spatial kind from its file. Raises DataError."""
    if isinstance(kind, Mask):
        return read_mask(path, flat=True).float()
    pixels = read_classes(path) if isinstance(kind, Segmentation) else read_image(path, kind.shape((1, 1))[0])
    try:
        return kind.of_pixels(pixels)
    except ValueError as e:
        raise DataError(f"{path}: {e}") from e


class _Files:
    """The files of one input: one for all pictures, or one of the name of each."""

    def __init__(self, name: str, kind: Field, path: Path) -> None:
        self.name, self.kind, self.path = name, kind, path
        if not path.exists():
            raise DataError(f"{path}: there is no such file; `{name}` is {kind.words}")
        self.named: dict[str, list[Path]] = defaultdict(list)
        for file in list_images(path) if path.is_dir() else []:
            self.named[file.stem].append(file)

    def of(self, source: Path, picture: Tensor) -> Tensor:
        file = self._file(source)
        value = read_file(self.kind, file)
        if value.shape[-2:] != picture.shape[-2:]:
            (height, width), (rows, columns) = picture.shape[-2:], value.shape[-2:]
            raise DataError(f"{source} is {width} x {height} px, but {file} is {columns} x {rows}: make them equal")
        return value[None].to(picture)

    def _file(self, source: Path) -> Path:
        if not self.path.is_dir():
            return self.path
        paths = self.named.get(source.stem, [])
        if len(paths) != 1:
            what = (
                f"{' and '.join(map(str, paths))} have the same name"
                if paths
                else f"{self.path} has no file of that name"
            )
            raise DataError(f"{source}: it needs one `{self.name}`, but {what}")
        return paths[0]


def tensor_of(name: str, kind: Field, value: Any, batch: Tensor) -> Tensor:
    """What was given in Python for a batch (N, C, H, W), as a batch of its kind on its device.

    value: a tensor, of one item or of the batch; a number, numbers, a text; a path or a PIL image, of what has pixels.
    Raises DataError, in words.
    """
    items = items_of(name, kind, value)
    items = items.to(batch.dtype) if items.is_floating_point() else items
    size = (int(batch.shape[-2]), int(batch.shape[-1]))
    for item in items:
        wrong = kind.fault(item)
        if wrong is None and kind.spatial and tuple(item.shape[-2:]) != size:
            wrong = f"is {item.shape[-1]} x {item.shape[-2]} px, and the picture {size[1]} x {size[0]}: make them equal"
        if wrong is not None:
            raise DataError(f"`{name}` {wrong}")
    if len(items) not in (1, len(batch)):
        raise DataError(f"`{name}` is given for {len(items)} pictures, and there are {len(batch)}")
    return items.to(batch.device).expand(len(batch), *items.shape[1:])


def items_of(name: str, kind: Field, value: Any) -> Tensor:
    """What was given in Python, as a batch of one or more. Raises DataError."""
    if isinstance(value, Tensor):
        own = len(kind.shape((1, 1)))
        value = value if value.ndim > own else value[None]
        if kind.dtype.is_floating_point:
            return value if value.is_floating_point() else value.to(kind.dtype)
        return value if value.is_floating_point() else value.to(kind.dtype)
    if isinstance(value, Image.Image) and isinstance(kind, Mask):
        return mask_pixels(value, flat=True)[0].float()[None]
    if isinstance(value, Image.Image) and kind.spatial:
        planes = kind.shape((1, 1))[0]
        pixels = class_pixels(value) if isinstance(kind, Segmentation) else image_pixels(value, planes)
        try:
            return kind.of_pixels(pixels)[None]
        except ValueError as e:
            raise DataError(f"`{name}`: {e}") from e
    if isinstance(value, str | os.PathLike):
        return (read_file(kind, Path(value)) if kind.spatial else read_text(name, kind, str(value)))[None]
    if isinstance(value, int | float) and not isinstance(value, bool) and not kind.spatial:
        return read_text(name, kind, str(value))[None]
    if isinstance(value, Sequence) and not kind.spatial and all(isinstance(x, int | float) for x in value):
        many = torch.tensor(value)
        return many if kind.shape((1, 1)) == () else many.float()[None]
    what = "a path, a PIL image or a tensor" if kind.spatial else "a number, numbers or a tensor"
    raise DataError(f"`{name}` is {kind.words}: give {what}, not {type(value).__name__}")
