"""Pairs of pictures: side by side in one file, or under the same name in two folders."""

from __future__ import annotations

from math import prod
from pathlib import Path
from typing import Annotated, ClassVar, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from gankit.core.errors import DataError
from gankit.data.dataset import PlacedDataset, Split
from gankit.data.disk_cache import identity
from gankit.data.folder import check_room
from gankit.data.keeping import Keeping, Where
from gankit.data.pairs import Pair, side_by_side, two_folders
from gankit.data.placed import Placed
from gankit.data.samples import Samples
from gankit.data.transforms import Preprocess, Transform


class PairedFolder(PlacedDataset):
    """Pairs of pictures, as pix2pix (arXiv 1611.07004) trains on them; one crop and one flip for both of a pair.

    An item has `a` (the source) and `b` (the target), (C, h, w) in [-1, 1].

    root: the folder in which the others lie. Side by side: `train` and `test` hold pictures whose left half is A and
    whose right half is B (an odd last column is dropped). Two folders: `a` and `b` (and `test_a`, `test_b`) hold one
    picture of each pair under the same name, extensions apart. test: where it is empty, `test` or else `val` is looked
    for. direction: `b2a` exchanges the two. preprocess, load_size, crop_size, flip, enlarge, exact: see
    `gankit.data.transforms.Transform`; the test split is resized straight to `crop_size`, exact and never random.
    channels_a, channels_b: of the source and the target, 3 for RGB, 1 for grey. max_bad: broken pairs that are named
    and stepped over before the run stops. cache, cache_folder: where decoded, resized training pairs are kept, see
    `gankit.data.keeping.Keeping`.

    Raises ValueError for options that do not fit together; DataError for a missing or empty folder, a picture without
    its partner, a pair of two sizes (unless both are resized to one), too many broken pictures, or pictures smaller
    than the crop.
    """

    paired: ClassVar[bool] = True
    """`b` is the true counterpart of `a`, which metrics may compare with."""

    def __init__(
        self,
        *,
        root: str = "",
        train: str = "train",
        test: str = "",
        a: str = "",
        b: str = "",
        test_a: str = "",
        test_b: str = "",
        direction: Literal["a2b", "b2a"] = "a2b",
        preprocess: Preprocess = "resize_and_crop",
        load_size: Annotated[int, Ge(4)] = 286,
        crop_size: Annotated[int, Ge(4)] = 256,
        flip: bool = True,
        enlarge: bool = False,
        channels_a: Literal[1, 3] = 3,
        channels_b: Literal[1, 3] = 3,
        max_bad: Annotated[int, Ge(0)] = 10,
        cache: Where = "auto",
        cache_folder: str = "",
        exact: bool = False,
    ):
        if bool(a) != bool(b) or bool(test_a) != bool(test_b):
            raise ValueError("of two folders both must be named: a and b, test_a and test_b")
        self._transform = Transform(preprocess, load_size, crop_size, flip, enlarge, exact)
        self._base = Path(root).expanduser()
        self._train, self._test = train, test
        self._folders = {"train": (a, b), "test": (test_a, test_b)}
        self._swapped = direction == "b2a"
        self._max_bad, self._keeping = max_bad, Keeping(cache, cache_folder)
        self.channels: dict[str, int] = {"a": channels_a, "b": channels_b}
        self.size = self._transform.size
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        self._scaled = self._transform if split == "train" else self._transform.for_test()
        keeping = self._keeping if split == "train" else Keeping()  # a test pair is read once
        self._pairs, left_out = self._find(split)
        if self._swapped:
            self._pairs = [Pair(pair.b, pair.a) for pair in self._pairs]
        check_room([(part.path, part.shape) for pair in self._pairs for part in pair], self._scaled)
        shapes = [(sum(prod(shape) for shape in self._shapes(pair)),) for pair in self._pairs]
        names = [str(pair.a.path) for pair in self._pairs]
        self._samples = Samples(names, shapes, self._make, self._describe, self._max_bad, keeping, left_out)

    def _find(self, split: Split) -> tuple[list[Pair], list[str]]:
        a, b = (self._base / Path(folder).expanduser() for folder in self._folders[split])
        if self._folders[split] == ("", ""):
            return side_by_side(self._one_folder(split))
        pairs, left_out = two_folders(a, b)
        for pair in pairs:
            first, second = (self._scaled.resized(*part.shape) for part in pair)
            if first != second:
                raise DataError(
                    f"{pair.a.path} and {pair.b.path} are a pair of two sizes; make them one, "
                    "or use preprocess: resize_and_crop"
                )
        return pairs, left_out

    def _one_folder(self, split: Split) -> Path:
        if split == "train":
            return self._base / Path(self._train).expanduser()
        if self._test:
            return self._base / Path(self._test).expanduser()
        if self._folders["train"] != ("", ""):
            raise DataError("there are no test pairs: name their folders by test_a and test_b")
        return self._base / ("val" if (self._base / "val").is_dir() and not (self._base / "test").is_dir() else "test")

    def _shapes(self, pair: Pair) -> list[tuple[int, int, int]]:
        """(C, h, w) of both, resized."""
        return [(c, *self._scaled.resized(*p.shape)) for c, p in zip(self.channels.values(), pair, strict=True)]

    def _make(self, index: int) -> Tensor:
        """Both resized pictures in one row of bytes."""
        (first, second), (a, b) = self._pairs[index], self.channels.values()
        pictures = (first.read(a, self._scaled.exact), second.read(b, self._scaled.exact))
        return torch.cat([self._scaled.resize(picture).flatten() for picture in pictures])

    def _describe(self, index: int) -> str:
        parts = [(identity(part.path), part.left, part.width) for part in self._pairs[index]]
        return repr((parts, self._shapes(self._pairs[index]), self._scaled.exact))

    def __len__(self) -> int:
        return len(self._samples)

    def __repr__(self) -> str:
        return f"PairedFolder({self._split}: {len(self)} pairs, {self._scaled})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Placed]:
        """Item `index`; crop and flip are drawn from `generator`, once for both."""
        index, pixels = self._samples.find(index)
        shape_a, shape_b = self._shapes(self._pairs[index])
        a, b = pixels[: prod(shape_a)].view(shape_a), pixels[prod(shape_a) :].view(shape_b)
        placement = self._scaled.draw(a, None if self._split == "test" else generator)
        return {"a": self._scaled.at(a, placement), "b": self._scaled.at(b, placement)}
