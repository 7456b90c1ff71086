"""What the data sets of picture files have in common: their options, and how a split is entered."""

from __future__ import annotations

import copy
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated, Self

from annotated_types import Ge, Le, Lt

from gankit.codecs.base import Codec, CodecSlot
from gankit.codecs.image import Image8
from gankit.core.errors import DataError
from gankit.data.dataset import PlacedDataset, Split
from gankit.data.folder import Pictures, Share
from gankit.data.keeping import Keeping, Where
from gankit.data.transforms import Interpolation, Preprocess, Transform

LAYOUT = frozenset({"", *(f"{split}{side}" for split in ("train", "val", "test") for side in ("", "A", "B"))})
"""The names of folders that data sets look for below `root`."""


@dataclass(kw_only=True, eq=False, repr=False)
class PictureFiles(PlacedDataset):
    """Options of all data sets of picture files.

    root: the folder in which the others lie; one that is not there is looked for as it is written. val: the share of
    the training pictures that are put by for validation, such as 0.1, chosen by their names alone, so that the others
    stay where they are when pictures come or go; 0: the folders called `val`, where there are some, hold the validation
    pictures. preprocess, load_size, crop_size, flip, enlarge, exact, interpolation: see
    `gankit.data.transforms.Transform`; pictures of `val` and `test` are resized straight to `crop_size`, exact and
    never random.
    crop_height: where the crop, `crop_size` wide, has another height. limit: of each folder the first so many pictures,
    by their names. codec: how files are read, see `gankit.codecs`. max_bad: broken files of a folder that are named and
    stepped over before the run stops. cache, cache_folder: where decoded, resized training pictures are kept, see
    `gankit.data.keeping.Keeping`.

    Raises ValueError for sizes that do not fit together; DataError for a missing or empty folder, too many broken
    pictures, or pictures smaller than the crop.
    """

    _resting = False
    root: str = ""
    val: Annotated[float, Ge(0), Lt(1)] = 0.0
    preprocess: Preprocess = "resize_and_crop"
    load_size: Annotated[int, Ge(4), Le(32_768)] = 286
    crop_size: Annotated[int, Ge(4), Le(32_768)] = 256
    crop_height: Annotated[int, Ge(4), Le(32_768)] | None = None
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
        self.size = self._transform.size
        self._enter("train")

    @cached_property
    def _transform(self) -> Transform:
        sizes = self.preprocess, self.load_size, self.crop_size
        how = self.flip, self.enlarge, self.exact, self.interpolation, self.crop_height
        return Transform(*sizes, *how)

    def resized(self, height: int, width: int) -> tuple[int, int]:
        """(height, width) to which a picture of the split is brought, before the crop."""
        return self._scaled.resized(height, width)

    def measured(self, name: Split) -> Self:
        """Training pictures, too, are whole and never random when figures are made of them."""
        if name != "train":
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

    def _folder_of(self, split: Split, train: str, val: str, test: str) -> Path:
        """The folder of a split. Raises DataError where nothing says which pictures are for validation."""
        folder = self._below_root({"train": train, "val": train if self.val else val, "test": test}[split])
        if split == "val" and not self.val and not folder.is_dir():
            raise DataError(
                f"there are no pictures for validation: there is no folder {folder}, and no share `val: 0.1`"
            )
        return folder

    def _below_root(self, folder: str) -> Path:
        """The folder below `root`; or, where that is not there, the one without it, so that a recipe with a `root`
        takes `data.a=cats` as it is written. The names of the layout are meant below `root`."""
        below, alone = Path(self.root).expanduser() / Path(folder).expanduser(), Path(folder).expanduser()
        return alone if folder not in LAYOUT and alone.is_dir() and not below.exists() else below

    def _read(self, folder: Path, channels: int | None, codec: Codec) -> Pictures:
        """The pictures of a folder, for the split that was entered."""
        return Pictures(folder, self._scaled, channels, self.max_bad, self._keeping, codec, self._taken, self.limit)
