"""Pairs of pictures: side by side in one file, or under the same name in two folders."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from math import prod
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge, Le
from torch import Tensor

from gankit.codecs.base import CodecSlot, as_codec
from gankit.codecs.image import Image8
from gankit.core.errors import DataError
from gankit.data.dataset import Split
from gankit.data.disk_cache import identity
from gankit.data.files import PictureFiles
from gankit.data.folder import channels_of, check_room
from gankit.data.images import tell_once
from gankit.data.pairs import Pair, named, refuse_unpaired_layout, side_by_side, split_folder, two_folders
from gankit.data.placed import Placed
from gankit.data.samples import Samples, from_bytes, to_bytes
from gankit.fields import Picture, Segmentation


@dataclass(kw_only=True, eq=False, repr=False)
class PairedFolder(PictureFiles):
    """Pairs of pictures, as pix2pix (arXiv 1611.07004) trains on them; one crop and one flip for both of a pair.

    An item has `a` (the source) and `b` (the target), (C, h, w) in [-1, 1]. Pairs are found in one of three ways:

    - Side by side: `train` and `test` hold pictures whose left half is A and whose right half is B. An odd last column
      is dropped. A warning tells where the halves do not look like a pair.
    - In two folders: `a` and `b` (and `test_a`, `test_b`), or `train/A` and `train/B`, or `A/train` and `B/train`, hold
      one picture of each pair under the same name, extensions apart.
    - In a list: `listed` has the columns `a`, `b` and `split`.

    Args:
        train, test: the folders of the splits. Where `test` is empty, `test` or else `val` is looked for.
        a, b, test_a, test_b: the folders of source and target, for training and for the test, where they are two.
        direction: `b2a` exchanges source and target.
        codec_b: how the files of the target are read, where they are of another kind than those of the source.
        channels_a, channels_b: the channels of source and target. With None they are those of the files. The codec
            `image` reads RGB (3) with None, and grey with 1.
        classes_a, classes_b: that side holds segmentation maps with this many classes in place of pictures. They are
            8-bit files whose grey values or palette indices are 0, 1, ..., and 255 where a pixel has no class. They
            become (classes, h, w), which is 1 at the class and 0 elsewhere.

    Raises ValueError for options that do not fit together; DataError for a picture without its partner, or a pair of
    two sizes (unless both are resized to one).
    """

    paired: ClassVar[bool] = True
    """`b` is the true counterpart of `a`, which metrics may compare with."""

    _columns: ClassVar[Sequence[str]] = ("a", "b")
    train: str = "train"
    test: str = ""
    a: str = ""
    b: str = ""
    test_a: str = ""
    test_b: str = ""
    direction: Literal["a2b", "b2a"] = "a2b"
    codec_b: CodecSlot | None = None
    channels_a: Annotated[int, Ge(1)] | None = None
    channels_b: Annotated[int, Ge(1)] | None = None
    classes_a: Annotated[int, Ge(2), Le(255)] | None = None
    classes_b: Annotated[int, Ge(2), Le(255)] | None = None

    def __post_init__(self) -> None:
        if bool(self.a) != bool(self.b) or bool(self.test_a) != bool(self.test_b):
            raise ValueError("name both folders of a pair: a and b, test_a and test_b")
        self.codecs = {
            "a": Image8() if self.classes_a else as_codec(self.codec),
            "b": Image8() if self.classes_b else as_codec(self.codec_b or self.codec),
        }
        self._folders = {"train": (self.a, self.b), "val": ("", ""), "test": (self.test_a, self.test_b)}
        self._swapped = self.direction == "b2a"
        self._channels, self._classes = (self.channels_a, self.channels_b), (self.classes_a, self.classes_b)
        super().__post_init__()

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        self._pairs, left_out = self._find("train" if split == "val" and self.val else split)
        if self._taken:
            kept = set(self._taken.of([pair.a.path for pair in self._pairs]))
            self._pairs = [pair for pair in self._pairs if pair.a.path in kept]
        self._pairs = self._pairs[: self.limit]
        if self._swapped:
            self._pairs = [Pair(pair.b, pair.a) for pair in self._pairs]
        check_room([(part.path, part.shape) for pair in self._pairs for part in pair], self._scaled)
        self.fields = {"a": self._field(0), "b": self._field(1)}
        shapes = [(self._places(pair)[-1].stop,) for pair in self._pairs]
        names = [str(pair.a.path) for pair in self._pairs]
        self._samples = Samples(names, shapes, self._make, self._describe, self.max_bad, self._keeping, left_out)

    def _field(self, side: int) -> Picture | Segmentation:
        """What the pictures of a side are; of pictures, whether all have the same channels."""
        if classes := self._classes[side]:
            return Segmentation(classes, of="ba"[side])
        files = {pair[side].path: pair[side].channels for pair in self._pairs}
        channels = channels_of(files, self.codecs["ab"[side]], self._channels[side])
        self._channels = tuple(channels if i == side else c for i, c in enumerate(self._channels))
        return Picture(channels)

    def _find(self, split: Split) -> tuple[list[Pair], list[str]]:
        first, second = self.codecs.values()
        codecs = (second, first) if self._swapped else (first, second)
        if self.listed:
            files = [(row.files["a"], row.files["b"]) for row in self._rows(split)]
            return self._of_one_size(*named(files, codecs))
        a, b = map(self._below_root, self._folders[split])
        if self._folders[split] == ("", ""):
            one = self._one_folder(split)
            if (two := split_folder(one)) is None:
                self._refuse_two_codecs()
                refuse_unpaired_layout(one, ("test_a", "test_b") if split == "test" else ("a", "b"))
                return side_by_side(one, self.codecs["a"])
            a, b = two
            tell_once(logging.WARNING, f"{one}: pairs are the pictures of the same name in the subfolders {a} and {b}")
        return self._of_one_size(*two_folders(a, b, codecs))

    def _of_one_size(self, pairs: list[Pair], left_out: list[str]) -> tuple[list[Pair], list[str]]:
        """The same. Raises DataError where resizing leaves a pair of two sizes."""
        for pair in pairs:
            first, second = (self._scaled.resized(*part.shape) for part in pair)
            if first != second:
                raise DataError(
                    f"{pair.a.path} and {pair.b.path} are a pair of two sizes; make them one, "
                    "or use preprocess: resize_and_crop"
                )
        return pairs, left_out

    def _refuse_two_codecs(self) -> None:
        if self.codecs["a"] != self.codecs["b"]:
            raise ValueError("side by side both pictures are in one file, which one codec reads: leave codec_b out")

    def _one_folder(self, split: Split) -> Path:
        """The folder of a split that is named by one name, or that of its sides."""
        if split == "val" and self.a:
            raise DataError("there are no validation pairs: set a share of the training pairs aside, as by `val: 0.1`")
        if split == "test" and self.a and not self.test:
            raise DataError("there are no test pairs: name their folders in test_a and test_b")
        if split == "test":
            names = [self.test] if self.test else ["test", "val"]
            folders = [self._below_root(name) for name in names]
            return next((folder for folder in folders if folder.is_dir() or split_folder(folder)), folders[0])
        val = self._below_root("val")
        if split == "val" and not self.val and split_folder(val):
            return val
        return self._folder_of(split, self.train, "val", "")

    def _shapes(self, pair: Pair) -> list[tuple[int, int, int]]:
        """(C, h, w) of both, resized; of a map (1, h, w)."""
        planes = [1 if isinstance(field, Segmentation) else field.channels for field in self.fields.values()]
        return [(c, *self._scaled.resized(*p.shape)) for c, p in zip(planes, pair, strict=True)]

    def _places(self, pair: Pair) -> tuple[slice, slice]:
        """Where the bytes of both lie in one row, each at a multiple of its values' size."""
        shapes, dtypes = self._shapes(pair), [codec.stored for codec in self.codecs.values()]
        first, second = (prod(shape) * dtype.itemsize for shape, dtype in zip(shapes, dtypes, strict=True))
        start = first + -first % dtypes[1].itemsize
        return slice(0, first), slice(start, start + second)

    def _make(self, index: int) -> Tensor:
        """Both resized pictures in one row of bytes."""
        pair, places = self._pairs[index], self._places(self._pairs[index])
        row = torch.zeros(places[-1].stop, dtype=torch.uint8)
        for part, (name, field), place in zip(pair, self.fields.items(), places, strict=True):
            picture = part.read(field, self.codecs[name], self._scaled.exact)
            row[place] = to_bytes(self._scaled.resize(picture, isinstance(field, Segmentation))).flatten()
        return row

    def _describe(self, index: int) -> str:
        parts = [(identity(part.path), part.left, part.width) for part in self._pairs[index]]
        how = self._scaled.exact, self._scaled.interpolation
        return repr((parts, self.fields, self._shapes(self._pairs[index]), how, self.codecs))

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of both sides; side by side they are the same."""
        return {name: [pair[i].path for pair in self._pairs] for i, name in enumerate("ab")}

    def __len__(self) -> int:
        return len(self._samples)

    def __repr__(self) -> str:
        return f"PairedFolder({self._split}: {len(self)} pairs, {self._scaled})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Placed]:
        """Item `index`; crop and flip are drawn from `generator`, once for both."""
        index, pixels = self._samples.find(index)
        pair, dtypes = self._pairs[index], [codec.stored for codec in self.codecs.values()]
        stored = zip(self._places(pair), self._shapes(pair), dtypes, strict=True)
        a, b = (from_bytes(pixels[place], dtype).view(shape) for place, shape, dtype in stored)
        placement = self._scaled.draw(a, None if self._still else generator)
        parts = zip(("a", "b"), (a, b), strict=True)
        return {name: self._scaled.at(part, placement, self._classes[i] or 0) for i, (name, part) in enumerate(parts)}
