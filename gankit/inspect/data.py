"""What the pictures of a folder or of a recipe are, what the recipe makes of them, and what to beware of."""

from __future__ import annotations

import logging
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.codecs.base import Codec
from gankit.codecs.image import Image8
from gankit.codecs.masks import read_mask
from gankit.contracts import DatasetContract
from gankit.core.errors import DataError
from gankit.core.recipe import Recipe
from gankit.data.folder import LEFT_OUT
from gankit.data.images import list_images
from gankit.data.seams import check_single
from gankit.data.survey import Part, look, spread
from gankit.fields import Field, Mask, Picture
from gankit.inspect.data_warnings import NAMED, of_parts, of_sizes
from gankit.report.grids import CELL
from gankit.training.assemble import open_dataset

SHOWN, COLUMNS = 6, 12
"""Rows and columns of a contact sheet."""
HOLES = 64
"""Items whose drawn holes are measured."""
SPLITS = ("train", "val", "test")
LAYOUT = re.compile(r"(train|val|test)(A|B)?")
SIDE = re.compile("[abAB]")
Row = Mapping[str, Tensor | str]
Tick = Callable[[str, int, int], None]
"""Is told what is looked at, how many files are done, and of how many."""


@dataclass
class Inspection:
    """What was found.

    parts: the files by split and side. splits: of a recipe, what each gives, in words. reads: of a folder, the `data`
    of a recipe that reads it. warnings: each with what to do. rows: for `gankit.report.grids.sample_grid`.
    """

    title: str
    parts: list[Part] = field(default_factory=list)
    splits: dict[str, str] = field(default_factory=dict)
    reads: str = ""
    holes: dict[str, float] | None = None
    warnings: list[str] = field(default_factory=list)
    rows: list[Row] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        content = {"of": self.title, "parts": [part.as_dict() for part in self.parts], "warnings": self.warnings}
        return content | ({"reads": self.reads} if self.reads else {"splits": self.splits, "drawn_holes": self.holes})


# -- a folder --------------------------------------------------------------------------------------------------------
def of_folder(folder: Path, limit: int | None = None, tick: Tick | None = None) -> Inspection:
    """Look at the pictures of a folder and its subfolders, by these.

    limit: only the first so many of each are looked at. Raises DataError where the folder holds none.
    """
    codec, found = Image8(), Inspection(str(folder))
    with _listening() as told:
        parts: dict[tuple[str, str, str], list[Path]] = {}
        for path in list_images(folder):
            parts.setdefault(_place(path, Path(folder).expanduser()), []).append(path)
        order = ("", *SPLITS)
        parts = dict(sorted(parts.items(), key=lambda part: (order.index(part[0][1]), part[0][0])))
        columns = {}
        for (name, split, side), paths in parts.items():
            kind = Mask() if "mask" in name.lower() else Picture(3)
            part = _part(name, (split, side), kind, paths, codec, limit, tick)
            found.parts.append(part)
            if isinstance(kind, Picture) and part.sound:
                check_single({seen.path: seen.size for seen in part.sound}, codec)
            columns[name] = [_read(seen.path, kind, codec) for seen in _spaced(part.sound)]
    found.reads = _reads(folder, [name for name, _, _ in parts])
    paired = "type: paired" in found.reads
    found.rows = [
        {name: pictures[i] for name, pictures in list(columns.items())[:COLUMNS] if i < len(pictures)}
        for i in range(max(map(len, columns.values())))
    ]
    found.warnings = [record.getMessage() for record in told] + of_parts(found.parts, paired)
    return found


def _place(path: Path, folder: Path) -> tuple[str, str, str]:
    """The name of the part to which a picture belongs, its split and its side, by the folders in which it lies."""
    first, second = (*path.relative_to(folder).parent.parts, "", "")[:2]
    if match := LAYOUT.fullmatch(first):
        inner = second if not match[2] and SIDE.fullmatch(second) else ""
        return "/".join(filter(None, (first, inner))), match[1], (match[2] or inner).lower()
    if SIDE.fullmatch(first) and second in SPLITS:
        return f"{first}/{second}", second, first.lower()
    return first or f"{folder.absolute().name}/", "", first


def _reads(folder: Path, names: Sequence[str]) -> str:
    """The `data` of a recipe that reads a folder with such parts; nothing where none does."""
    have, root = {name.lower() for name in names}, _quoted(str(folder))
    if {"traina", "trainb"} <= have:
        return f"{{type: unpaired, root: {root}}}"
    if {"train/a", "train/b"} <= have or {"a/train", "b/train"} <= have:
        return f"{{type: paired, root: {root}}}"
    if "train" in have:
        return f"{{type: single, root: {root}}}, or {{type: paired, root: {root}}} where they are pairs side by side"
    pictures = [name for name in names if "mask" not in name.lower()]
    if len(pictures) == 2 and not any(name.endswith("/") for name in pictures):
        a, b = (_quoted(str(folder / name)) for name in pictures)
        return f"{{type: unpaired, a: {a}, b: {b}}}"
    return f"{{type: single, root: {root}, train: .}}" if not have & {"val", "test", "testa", "testb"} else ""


def _quoted(text: str) -> str:
    """As a scalar within braces of YAML."""
    return text if re.fullmatch(r"[\w./~-]+", text) else "'" + text.replace("'", "''") + "'"


def _read(path: Path, kind: Field, codec: Codec) -> Tensor:
    """A picture, no larger than the cell of a sheet; a mask as it is drawn."""
    picture = kind.shown(read_mask(path).float()) if isinstance(kind, Mask) else codec.read(path)
    assert isinstance(picture, Tensor)
    scale = CELL / max(picture.shape[-2:])
    if scale >= 1:
        return picture
    size = [max(1, round(side * scale)) for side in picture.shape[-2:]]
    return F.interpolate(picture[None], size, mode="area")[0]


# -- a recipe --------------------------------------------------------------------------------------------------------
def of_recipe(recipe: Recipe, limit: int | None = None, tick: Tick | None = None) -> Inspection:
    """Look at the pictures that a recipe reads, and at its items. limit: as of `of_folder`.

    Raises RecipeError and DataError where a training would be refused, but for too many broken pictures.
    """
    found, most = Inspection(recipe.name), dict(recipe.data).get("max_bad")
    generous = recipe if most is None else Recipe.load(recipe, [f"data.max_bad={2**31}"])
    with _listening() as told:
        data = open_dataset(generous)
        splits, columns = {}, {}
        for name in SPLITS:
            try:
                splits[name] = data.split(name)
            except DataError as error:
                found.splits[name] = f"none: {error}"
                continue
            found.parts += _parts_of(name, splits[name], limit, tick)
            kinds = DatasetContract(splits[name]).fields or {}
            items = _items(splits[name])
            found.splits[name] = _words(len(splits[name]), items)
            columns |= {(name, key): [kinds[key].shown(item[key]) for item in items] for key in kinds}
        found.holes = _holes(splits["train"]) if "train" in splits else None
    found.rows = [
        {f"{split} {key}": values[i] for (split, key), values in columns.items() if i < len(values)}
        for i in range(max(map(len, columns.values()), default=0))
    ]
    left_out = list(dict.fromkeys(record.getMessage() for record in told if record.msg == LEFT_OUT))
    found.warnings = list(dict.fromkeys(record.getMessage() for record in told if record.msg != LEFT_OUT))
    found.warnings += left_out[:NAMED]
    found.warnings += [f"and {len(left_out) - NAMED} more were left out so"] if len(left_out) > NAMED else []
    found.warnings += of_parts(found.parts, paired=DatasetContract(data).paired)
    found.warnings += _too_many(found.parts, len(left_out), most)
    for name, split in splits.items():
        found.warnings += of_sizes([part for part in found.parts if part.split == name], split)
    return found


def _parts_of(split: str, data: Any, limit: int | None, tick: Tick | None) -> list[Part]:
    """Its files by side; pairs side by side are one file for both, and one part."""
    contract, parts = DatasetContract(data), []
    for side, paths in dict(contract.sources).items():
        if side == "b" and list(paths) == list(contract.sources.get("a", ())):
            continue
        kind = (contract.fields or {}).get(side, Picture(3))
        codec = contract.codecs.get(side, Image8())
        if not codec.stacks and all(map(codec.reads, paths)):  # files of many pictures are not looked into
            parts.append(_part(f"{split} {side}", (split, side), kind, paths, codec, limit, tick))
    return parts


def _items(data: Any) -> list[dict[str, Tensor]]:
    """Some, from all over it, as a training or a test gets them."""
    indices = _spaced(range(len(data)))
    return [data.item(index, torch.Generator().manual_seed(index)) for index in indices]


def _words(count: int, items: Sequence[Mapping[str, Tensor]]) -> str:
    shapes = {key: " x ".join(map(str, x.shape)) or "a number" for key, x in items[0].items()} if items else {}
    return f"{count} items" + (f": {', '.join(f'{key} {shape}' for key, shape in shapes.items())}" if shapes else "")


def _holes(data: Any) -> dict[str, float] | None:
    """The shares of holes that are drawn."""
    contract = DatasetContract(data)
    names = [name for name, kind in (contract.fields or {}).items() if name == "mask" and isinstance(kind, Mask)]
    if not names or "mask" in contract.sources:
        return None
    items = (data.item(i, torch.Generator().manual_seed(i)) for i in range(min(HOLES, len(data))))
    return spread([float(item["mask"].mean()) for item in items])


def _too_many(parts: Sequence[Part], left_out: int, most: int | None) -> list[str]:
    """Whether a training would stop at its broken pictures."""
    broken = left_out + len({seen.path for part in parts for seen in part.broken})
    if most is None or broken <= most:
        return []
    return [
        f"{broken} pictures cannot be read, and a folder may have max_bad = {most} of them before a training stops: "
        "repair or remove them, or raise data.max_bad"
    ]


# -- both ------------------------------------------------------------------------------------------------------------
def _part(
    name: str,
    place: tuple[str, str],
    kind: Field,
    paths: Sequence[Path],
    codec: Codec,
    limit: int | None,
    tick: Tick | None,
) -> Part:
    looks = []
    for done, path in enumerate(paths[:limit]):
        if tick is not None:
            tick(name, done, len(paths[:limit]))
        looks.append(look(path, kind, codec))
    return Part(name, *place, kind, len(paths), looks)


def _spaced(values: Sequence[Any]) -> list[Any]:
    """So many as a sheet has rows, from all over it."""
    return [values[i * len(values) // SHOWN] for i in range(SHOWN)] if len(values) > SHOWN else list(values)


@contextmanager
def _listening() -> Iterator[list[logging.LogRecord]]:
    """The warnings of data sets and codecs, which are shown with the others instead of at once."""
    records: list[logging.LogRecord] = []

    class Keep(logging.Handler):
        def emit(self, record: logging.LogRecord) -> None:
            records.append(record)

    logger, keep = logging.getLogger("gankit"), Keep(logging.WARNING)
    propagate = logger.propagate
    logger.addHandler(keep)
    logger.propagate = False
    try:
        yield records
    finally:
        logger.removeHandler(keep)
        logger.propagate = propagate
