"""Two folders of pictures without pairs."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge
from torch import Tensor

from gankit.data.dataset import Split
from gankit.data.folder import Pictures
from gankit.data.transforms import Preprocess, Transform


class Unpaired:
    """Pictures of two domains without pairs, as CycleGAN (arXiv 1703.10593) trains on them.

    An item has `a` and `b`, (C, h, w) in [-1, 1], each cropped and flipped on its own. There are as many items as the
    larger domain has pictures; item i holds picture i of A (from the start again where A is smaller) and a random one
    of B, or the i-th where `serial`. The test split is serial, resized straight to `crop_size`, and never random.

    root: the folder in which the others lie, `trainA`, `trainB`, `testA`, `testB` by default; any two folders are
    named by `a` and `b` with an empty `root`. preprocess, load_size, crop_size, flip, enlarge: see
    `gankit.data.transforms.Transform`. channels_a, channels_b: 3 for RGB, 1 for grey. max_bad: broken pictures of a
    domain that are named and stepped over before the run stops. cache: keep decoded, resized pictures in RAM.

    Raises ValueError for sizes that do not fit together; DataError for a missing or empty folder, too many broken
    pictures, or pictures smaller than the crop.
    """

    def __init__(
        self,
        *,
        root: str = "",
        a: str = "trainA",
        b: str = "trainB",
        test_a: str = "testA",
        test_b: str = "testB",
        preprocess: Preprocess = "resize_and_crop",
        load_size: Annotated[int, Ge(4)] = 286,
        crop_size: Annotated[int, Ge(4)] = 256,
        flip: bool = True,
        enlarge: bool = False,
        serial: bool = False,
        channels_a: Literal[1, 3] = 3,
        channels_b: Literal[1, 3] = 3,
        max_bad: Annotated[int, Ge(0)] = 10,
        cache: bool = False,
    ):
        base = Path(root).expanduser()
        self._folders: dict[str, tuple[Path, Path]] = {
            "train": (base / Path(a).expanduser(), base / Path(b).expanduser()),
            "test": (base / Path(test_a).expanduser(), base / Path(test_b).expanduser()),
        }
        self._transform = Transform(preprocess, load_size, crop_size, flip, enlarge)
        self._serial, self._max_bad, self._cached = serial, max_bad, cache
        self.channels: dict[str, int] = {"a": channels_a, "b": channels_b}
        self.size = self._transform.size
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        transform = self._transform if split == "train" else self._transform.for_test()
        self._a, self._b = (
            Pictures(folder, transform, channels, self._max_bad, self._cached)
            for folder, channels in zip(self._folders[split], self.channels.values(), strict=True)
        )

    def split(self, name: Split) -> Unpaired:
        """The "train" or the "test" pictures; raises DataError where their folders are missing or empty."""
        if name == self._split:
            return self
        other = copy.copy(self)
        other._enter(name)
        return other

    def __len__(self) -> int:
        return max(len(self._a), len(self._b))

    def __repr__(self) -> str:
        a, b = self._folders[self._split]
        return f"Unpaired({self._split}: {len(self._a)} in {a}, {len(self._b)} in {b}, {self._transform})"

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """Item `index`; B's picture, crops and flips are drawn from `generator`."""
        if self._split == "test":
            return {"a": self._a.item(index % len(self._a), None), "b": self._b.item(index % len(self._b), None)}
        other = index if self._serial else int(torch.randint(len(self._b), (1,), generator=generator).item())
        a = self._a.item(index % len(self._a), generator)
        return {"a": a, "b": self._b.item(other % len(self._b), generator)}
