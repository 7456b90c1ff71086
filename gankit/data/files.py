"""What the data sets of picture files have in common: their options, and how a split is entered."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Annotated

from annotated_types import Ge, Le, Lt

from gankit.codecs.base import Codec, CodecSlot
from gankit.codecs.image import Image8
from gankit.core.errors import DataError
from gankit.data.dataset import PlacedDataset, Split
from gankit.data.folder import Pictures, Share
from gankit.data.keeping import Keeping, Where
from gankit.data.transforms import Interpolation, Preprocess, Transform


@dataclass(kw_only=True, eq=False, repr=False)
class PictureFiles(PlacedDataset):
    """Options of all data sets of picture files.

    root: the folder in which the others lie. val: the share of the training pictures that are put by for validation,
    such as 0.1, chosen by their names alone, so that the others stay where they are when pictures come or go; 0: the
    folders called `val`, where there are some, hold the validation pictures. preprocess, load_size, crop_size, flip,
    enlarge, exact, interpolation: see `gankit.data.transforms.Transform`; pictures of `val` and `test` are resized
    straight to `crop_size`, exact and never random.
    codec: how files are read, see `gankit.codecs`. max_bad: broken files of a folder that are named and stepped over
    before the run stops. cache, cache_folder: where decoded, resized training pictures are kept, see
    `gankit.data.keeping.Keeping`.

    Raises ValueError for sizes that do not fit together; DataError for a missing or empty folder, too many broken
    pictures, or pictures smaller than the crop.
    """

    root: str = ""
    val: Annotated[float, Ge(0), Lt(1)] = 0.0
    preprocess: Preprocess = "resize_and_crop"
    load_size: Annotated[int, Ge(4), Le(32_768)] = 286
    crop_size: Annotated[int, Ge(4), Le(32_768)] = 256
    flip: bool = True
    enlarge: bool = False
    exact: bool = False
    interpolation: Interpolation = "bicubic"
    codec: CodecSlot = Image8
    max_bad: Annotated[int, Ge(0)] = 10
    cache: Where = "auto"
    cache_folder: str = ""

    def __post_init__(self) -> None:
        self.size = self._transform.size
        self._enter("train")

    @cached_property
    def _transform(self) -> Transform:
        sizes = self.preprocess, self.load_size, self.crop_size
        return Transform(*sizes, self.flip, self.enlarge, self.exact, self.interpolation)

    def _enter(self, split: Split) -> None:
        self._split = split
        still = split != "train"
        self._scaled = self._transform.for_test() if still else self._transform
        self._keeping = Keeping() if still else Keeping(self.cache, self.cache_folder)  # a test picture is read once

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
        return Path(self.root).expanduser() / Path(folder).expanduser()

    def _read(self, folder: Path, channels: int | None, codec: Codec) -> Pictures:
        """The pictures of a folder, for the split that was entered."""
        return Pictures(folder, self._scaled, channels, self.max_bad, self._keeping, codec, self._taken)
