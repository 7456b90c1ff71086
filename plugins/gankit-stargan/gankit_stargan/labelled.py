"""Folders of pictures, one for each domain."""

from __future__ import annotations

from bisect import bisect_right
from itertools import accumulate
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, MinLen
from torch import Tensor

from gankit.codecs import Image8
from gankit.data import Interpolation, Keeping, Pictures, Placed, PlacedDataset, Preprocess, Split, Transform, Where
from gankit.fields import Field, Label, Picture


class Labelled(PlacedDataset):
    """Pictures of several domains, a folder for each: `root/train/happy`, `root/train/sad`, `root/test/happy`, ...

    An item has `a`, (C, h, w) in [-1, 1], and its `domain`, int64 (): the number of its folder in `domains`.

    root: the folder in which `train` and `test` lie. domains: the names of the folders in them, in the order of their
    labels. preprocess, load_size, crop_size, flip, enlarge, exact, interpolation: see
    `gankit.data.transforms.Transform`; the test split is resized straight to `crop_size`, exact and never random.
    channels: 3 for RGB, 1 for grey. max_bad: broken pictures of a domain that are named and stepped over before the run
    stops. cache, cache_folder: where decoded, resized training pictures are kept, see `gankit.data.keeping.Keeping`.

    Raises ValueError for sizes that do not fit together, or a domain named twice; DataError for a missing or empty
    folder, too many broken pictures, or pictures smaller than the crop.
    """

    def __init__(
        self,
        *,
        domains: Annotated[list[str], MinLen(2)],
        root: str = "",
        train: str = "train",
        test: str = "test",
        preprocess: Preprocess = "resize_and_crop",
        load_size: Annotated[int, Ge(4)] = 143,
        crop_size: Annotated[int, Ge(4)] = 128,
        flip: bool = True,
        enlarge: bool = False,
        channels: Literal[1, 3] = 3,
        max_bad: Annotated[int, Ge(0)] = 10,
        cache: Where = "auto",
        cache_folder: str = "",
        exact: bool = False,
        interpolation: Interpolation = "bicubic",
    ) -> None:
        if len(set(domains)) < len(domains):
            raise ValueError(f"`domains` names one twice: {', '.join(domains)}")
        base = Path(root).expanduser()
        self._folders = {"train": base / Path(train).expanduser(), "test": base / Path(test).expanduser()}
        self._domains, self.codecs = list(domains), {"a": Image8()}
        self._transform = Transform(preprocess, load_size, crop_size, flip, enlarge, exact, interpolation)
        self._channels, self._max_bad, self._keeping = channels, max_bad, Keeping(cache, cache_folder)
        self.fields: dict[str, Field] = {"a": Picture(channels), "domain": Label(len(domains))}
        self.size = self._transform.size
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        transform = self._transform if split == "train" else self._transform.for_test()
        keeping = self._keeping if split == "train" else Keeping()  # a test picture is read once
        folders = [self._folders[split] / name for name in self._domains]
        self._pictures = [
            Pictures(folder, transform, self._channels, self._max_bad, keeping, self.codecs["a"]) for folder in folders
        ]
        self._starts = list(accumulate((len(pictures) for pictures in self._pictures), initial=0))

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of all domains."""
        return {"a": [path for pictures in self._pictures for path in pictures.paths]}

    def __len__(self) -> int:
        return self._starts[-1]

    def __repr__(self) -> str:
        counts = ", ".join(f"{len(p)} {name}" for name, p in zip(self._domains, self._pictures, strict=True))
        return f"Labelled({self._split}: {counts} in {self._folders[self._split]}, {self._transform})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Tensor | Placed]:
        """Item `index`; crop and flip are drawn from `generator`."""
        domain = bisect_right(self._starts, index) - 1
        random = None if self._split == "test" else generator
        return {
            "a": self._pictures[domain].placed(index - self._starts[domain], random),
            "domain": torch.tensor(domain),
        }
