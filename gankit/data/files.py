"""What the data sets of picture files have in common: their options, and how a split is entered."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from pathlib import Path
from typing import Annotated, ClassVar, Self

from annotated_types import Ge, Le, Lt

from gankit.codecs.base import Codec, CodecSlot
from gankit.codecs.image import Image8
from gankit.core.errors import DataError
from gankit.data.dataset import PlacedDataset, Split
from gankit.data.folder import Pictures, Share
from gankit.data.keeping import Keeping, Where
from gankit.data.listed import Listed, Row, read_list
from gankit.data.maps import Maps
from gankit.data.transforms import Interpolation, Preprocess, Transform

LAYOUT = frozenset({"", *(f"{split}{side}" for split in ("train", "val", "test") for side in ("", "A", "B"))})
"""The names of folders that data sets look for below `root`."""
NAMED = {"train", "test", *(f"{kind}{side}" for kind in ("", "test_", "maps_", "test_maps_") for side in "ab")}
"""Options that name folders."""


@dataclass(kw_only=True, eq=False, repr=False)
class PictureFiles(PlacedDataset):
    """Options of all data sets of picture files.

    Args:
        root: the folder that contains the others. A folder that is not found in it is looked for at the path as
            written.
        val: the share of the training pictures that is set aside for validation, such as 0.1. Only their names decide
            which these are, so that the others stay where they are when pictures come or go. With 0, the folders called
            `val`, if there are any, hold the validation pictures.
        listed: a file, .csv or .jsonl, that lists the pictures with their splits and takes the place of folders. It is
            looked for below `root`, or at the path as written. `gankit.data.listed.read_list` describes it.
        preprocess, load_size, crop_size, flip, enlarge, exact, interpolation: how pictures are resized, cropped and
            flipped, see `gankit.data.transforms.Transform`. Pictures of `val` and `test` are resized straight to
            `crop_size`. That is exact and never random.
        crop_height: the height of the crop in pixels. By default it is `crop_size`, which is the width.
        largest_crop: the width of the largest part that is cut out in training. Parts of random widths from `crop_size`
            up to this one, in the shape of the crop and as far as the resized picture goes, are reduced to the crop, so
            that a training sees several scales. Where `load_size` resizes, it must leave room for them.
        limit: only the first N pictures of each folder are taken, in the order of their names.
        codec: how files are read, see `gankit.codecs`.
        max_bad: how many broken files of a folder are reported and skipped before the run stops.
        cache, cache_folder: where decoded and resized training pictures are kept, see `gankit.data.keeping.Keeping`.

    Raises ValueError for sizes that do not fit together; DataError for a missing or empty folder, too many broken
    pictures, or pictures smaller than the crop.
    """

    _resting = False
    _columns: ClassVar[Sequence[str]] = ("path",)
    """Of a list: those of files."""
    _sides: ClassVar[bool] = False
    """Whether a list says to which domain each picture belongs."""
    _labels: ClassVar[bool] = False
    """Whether a list may say labels."""
    _maps: ClassVar[bool] = False
    """Whether a list may say maps."""
    root: str = ""
    val: Annotated[float, Ge(0), Lt(1)] = 0.0
    listed: str = ""
    preprocess: Preprocess = "resize_and_crop"
    load_size: Annotated[int, Ge(4), Le(32_768)] = 286
    crop_size: Annotated[int, Ge(4), Le(32_768)] = 256
    crop_height: Annotated[int, Ge(4), Le(32_768)] | None = None
    largest_crop: Annotated[int, Ge(4), Le(32_768)] | None = None
    flip: bool = True
    enlarge: bool = False
    exact: bool = False
    interpolation: Interpolation = "bicubic"
    codec: CodecSlot = Image8
    limit: Annotated[int, Ge(1)] | None = None
    max_bad: Annotated[int, Ge(0)] = 10
    cache: Where = "auto"
    cache_folder: str = ""

    def __post_init__(self) -> None:
        named = [f.name for f in fields(self) if f.name in NAMED and getattr(self, f.name) != f.default]
        if self.listed and named:
            raise ValueError(f"`listed` says where the pictures are: leave out {' and '.join(named)}")
        self.size = self._transform.size
        self._enter("train")

    @cached_property
    def _transform(self) -> Transform:
        sizes = self.preprocess, self.load_size, self.crop_size
        how = self.flip, self.enlarge, self.exact, self.interpolation, self.crop_height
        return Transform(*sizes, *how, largest_crop=self.largest_crop)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) to which a picture of the split is brought, before the crop."""
        return self._scaled.resized(height, width)

    def lacks_room(self, height: int, width: int) -> bool:
        """Whether a picture, resized, is too small for any part larger than the crop, though `largest_crop` asks."""
        return self._scaled.most_times > 1 == self._scaled.times_of(*self._scaled.resized(height, width))

    def measured(self, name: Split) -> Self:
        """Training pictures, too, are whole and never random when figures are made of them."""
        if name != "train" or self._resting:
            return self.split(name)
        other = copy.copy(self)
        other._resting = True
        other._enter(name)
        return other

    def _enter(self, split: Split) -> None:
        self._split = split
        self._still = split != "train" or self._resting
        self._scaled = self._transform.for_test() if self._still else self._transform
        self._keeping = (
            Keeping() if self._still else Keeping(self.cache, self.cache_folder)
        )  # a test picture is read once

    @property
    def _taken(self) -> Share | None:
        """Which pictures of the training folder the split that was entered takes; None: all."""
        return Share(self.val, inside=self._split == "val") if self.val and self._split != "test" else None

    @cached_property
    def _list(self) -> Listed:
        """What `listed` names."""
        below, alone = Path(self.root).expanduser() / Path(self.listed).expanduser(), Path(self.listed).expanduser()
        file = alone if alone.is_file() and not below.exists() else below
        return read_list(file, self._columns, self._sides, self._labels, self._maps)

    def _rows(self, split: Split, side: str = "") -> list[Row]:
        """The rows of the list for a split, of which a share may be for another one."""
        return self._list.of("train" if split == "val" and self.val else split, side)

    def _folder_of(self, split: Split, train: str, val: str, test: str) -> Path:
        """The folder of a split, or the list. Raises DataError where nothing says which pictures are for
        validation, or where there is no folder of the test."""
        if self.listed:
            return self._list.file
        folder = self._below_root({"train": train, "val": train if self.val else val, "test": test}[split])
        if split == "val" and not self.val and not folder.is_dir():
            raise DataError(
                f"there are no pictures for validation: there is no folder {folder}, and no share is set aside, "
                "as by `val: 0.1`"
            )
        if split == "test" and not folder.exists():
            raise DataError(
                f"there are no pictures for the test: there is no folder {folder}; name others in `data`, or set some "
                "aside by `gankit data split`"
            )
        return folder

    def _below_root(self, folder: str) -> Path:
        """The folder below `root`; or, where that is not there, the one without it, so that a recipe with a `root`
        takes `data.a=cats` as it is written. The names of the layout are meant below `root`."""
        below, alone = Path(self.root).expanduser() / Path(folder).expanduser(), Path(folder).expanduser()
        return alone if folder not in LAYOUT and alone.is_dir() and not below.exists() else below

    def _read(
        self, folder: Path, channels: int | None, codec: Codec, side: str = "", maps: Maps | None = None
    ) -> Pictures:
        """The pictures of a folder, or of a side of the list, for the split that was entered."""
        where = [row.files["path"] for row in self._rows(self._split, side)] if self.listed else folder
        how = self._scaled, channels, self.max_bad, self._keeping, codec, self._taken, self.limit
        return Pictures(where, *how, maps)
