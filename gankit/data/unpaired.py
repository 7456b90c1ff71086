"""Two folders of pictures without pairs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Le

from gankit.codecs.base import CodecSlot, as_codec
from gankit.core.errors import DataError
from gankit.data.dataset import Split
from gankit.data.files import PictureFiles
from gankit.data.maps import Maps, folder_beside
from gankit.data.placed import Placed
from gankit.fields import Field, Picture, Segmentation


@dataclass(kw_only=True, eq=False, repr=False)
class Unpaired(PictureFiles):
    """Pictures of two domains without pairs, as CycleGAN (arXiv 1703.10593) trains on them.

    An item has `a` and `b`, (C, h, w) in [-1, 1], each cropped and flipped on its own. There are as many items as the
    larger domain has pictures; item i holds picture i of A (from the start again where A is smaller) and a random one
    of B, or the i-th where `serial`. The test split is always serial.

    Args:
        a, b, test_a, test_b: the folders of the two domains, for training and for the test, below `root`. With an empty
            `root` any other folders can be named. `listed` has the columns `path`, `side` (a or b) and `split`.
        serial: item i holds the i-th picture of B, not a random one.
        codec_b: how the files of B are read, where they are of another kind than those of A.
        channels_a, channels_b: the channels of each domain's pictures. With None they are those of the files. The codec
            `image` reads RGB (3) with None and with 3, and grey with 1.
        classes_a, classes_b: each picture of that side has a segmentation map of so many classes. An item then has
            `segmentation_a` or `segmentation_b`, (classes, h, w), which is 1 at the class and 0 elsewhere, and is
            cropped and flipped as its picture is. A map is an 8-bit file that has the name of the picture (extensions
            apart) and its size. Its grey values or palette indices are 0, 1, ..., and 255 where a pixel has no class.
        maps_a, maps_b, test_maps_a, test_maps_b: the folders of maps. By default they have the names of the pictures'
            folders with `_maps` at the end, such as `trainA_maps`. Where there is no such folder for the test, its
            items have no maps. `listed` has the column `map` too.

    Raises ValueError for folders of maps without their classes; DataError for a missing map, or one of another size.
    """

    _sides: ClassVar[bool] = True
    _maps: ClassVar[bool] = True
    a: str = "trainA"
    b: str = "trainB"
    test_a: str = "testA"
    test_b: str = "testB"
    serial: bool = False
    codec_b: CodecSlot | None = None
    channels_a: Annotated[int, Ge(1)] | None = None
    channels_b: Annotated[int, Ge(1)] | None = None
    classes_a: Annotated[int, Ge(2), Le(255)] | None = None
    classes_b: Annotated[int, Ge(2), Le(255)] | None = None
    maps_a: str = ""
    maps_b: str = ""
    test_maps_a: str = ""
    test_maps_b: str = ""

    def __post_init__(self) -> None:
        for side, classes, *folders in (
            ("a", self.classes_a, self.maps_a, self.test_maps_a),
            ("b", self.classes_b, self.maps_b, self.test_maps_b),
        ):
            if any(folders) and classes is None:
                raise ValueError(f"say how many classes the maps of {side} have, by classes_{side}")
        self.codecs = {"a": as_codec(self.codec), "b": as_codec(self.codec_b or self.codec)}
        super().__post_init__()

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        self._folders = [
            self._folder_of(split, train, val, test)
            for train, val, test in ((self.a, "valA", self.test_a), (self.b, "valB", self.test_b))
        ]
        maps = [
            self._beside(side, folder, classes, train, test)
            for side, folder, classes, train, test in (
                ("a", self._folders[0], self.classes_a, self.maps_a, self.test_maps_a),
                ("b", self._folders[1], self.classes_b, self.maps_b, self.test_maps_b),
            )
        ]
        self._a = self._read(self._folders[0], self.channels_a, self.codecs["a"], "a", maps[0])
        self._b = self._read(self._folders[1], self.channels_b, self.codecs["b"], "b", maps[1])
        if split == "train":
            self._a.check_single()
            self._b.check_single()
        self.channels_a, self.channels_b = self._a.channels, self._b.channels
        self.counts = {"a": len(self._a), "b": len(self._b)}
        self.fields: dict[str, Field] = {"a": Picture(self.channels_a), "b": Picture(self.channels_b)}
        of_maps = {side: Segmentation(one.classes, of=side) for side, one in zip("ab", maps, strict=True) if one}
        self.fields |= {f"segmentation_{side}": field for side, field in of_maps.items()}

    def _beside(self, side: str, folder: Path, classes: int | None, train: str, test: str) -> Maps | None:
        """The maps of a side's pictures, for the split that was entered."""
        if classes is None:
            return None
        if self.listed:
            return self._listed_maps(side, classes)
        named = test if self._split == "test" else train if self._split == "train" or self.val else ""
        maps = self._below_root(named) if named else folder_beside(folder)
        if self._split == "test" and not named and not maps.is_dir():
            return None
        return Maps(classes, folder, maps)

    def _listed_maps(self, side: str, classes: int) -> Maps | None:
        rows = self._rows(self._split, side)
        unmapped = [row for row in rows if row.map is None]
        if self._split == "test" and len(unmapped) == len(rows):
            return None
        if unmapped:
            at = f"{self._list.file}:{unmapped[0].line}"
            raise DataError(f"{at}: there is no `map`, and with classes_{side} each picture of {side} has one")
        return Maps(classes, listed={row.files["path"]: row.map for row in rows if row.map})

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of each domain, and of its maps."""
        maps = {f"segmentation_{side}": pictures.maps for side, pictures in (("a", self._a), ("b", self._b))}
        return {"a": self._a.paths, "b": self._b.paths} | {name: files for name, files in maps.items() if files}

    def __len__(self) -> int:
        return max(len(self._a), len(self._b))

    def __repr__(self) -> str:
        a, b = self._folders
        return f"Unpaired({self._split}: {len(self._a)} in {a}, {len(self._b)} in {b}, {self._transform})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Placed]:
        """Item `index`; B's picture, crops and flips are drawn from `generator`."""
        other = index
        if not self._still and not self.serial:
            other = int(torch.randint(len(self._b), (1,), generator=generator).item())
        random = None if self._still else generator
        item: dict[str, Placed] = {}
        for side, pictures, number in (("a", self._a, index), ("b", self._b, other)):
            item[side], map = pictures.mapped(number % len(pictures), random)
            item |= {f"segmentation_{side}": map} if map else {}
        return item
