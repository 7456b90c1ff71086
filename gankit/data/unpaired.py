"""Two folders of pictures without pairs."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge

from gankit.data.dataset import PlacedDataset, Split
from gankit.data.folder import Pictures
from gankit.data.keeping import Keeping, Where
from gankit.data.placed import Placed
from gankit.data.transforms import Preprocess, Transform


class Unpaired(PlacedDataset):
    """Pictures of two domains without pairs, as CycleGAN (arXiv 1703.10593) trains on them.

    An item has `a` and `b`, (C, h, w) in [-1, 1], each cropped and flipped on its own. There are as many items as the
    larger domain has pictures; item i holds picture i of A (from the start again where A is smaller) and a random one
    of B, or the i-th where `serial`. The test split is serial, resized straight to `crop_size`, exact, never random.

    root: the folder in which the others lie, `trainA`, `trainB`, `testA`, `testB` by default; any two folders are
    named by `a` and `b` with an empty `root`. preprocess, load_size, crop_size, flip, enlarge, exact: see
    `gankit.data.transforms.Transform`. channels_a, channels_b: 3 for RGB, 1 for grey. max_bad: broken pictures of a
    domain that are named and stepped over before the run stops. cache, cache_folder: where decoded, resized training
    pictures are kept, see `gankit.data.keeping.Keeping`.

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
        cache: Where = "auto",
        cache_folder: str = "",
        exact: bool = False,
    ):
        base = Path(root).expanduser()
        self._folders: dict[str, tuple[Path, Path]] = {
            "train": (base / Path(a).expanduser(), base / Path(b).expanduser()),
            "test": (base / Path(test_a).expanduser(), base / Path(test_b).expanduser()),
        }
        self._transform = Transform(preprocess, load_size, crop_size, flip, enlarge, exact)
        self._serial, self._max_bad, self._keeping = serial, max_bad, Keeping(cache, cache_folder)
        self.channels: dict[str, int] = {"a": channels_a, "b": channels_b}
        self.size = self._transform.size
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        transform = self._transform if split == "train" else self._transform.for_test()
        keeping = self._keeping if split == "train" else Keeping()  # a test picture is read once
        self._a, self._b = (
            Pictures(folder, transform, channels, self._max_bad, keeping)
            for folder, channels in zip(self._folders[split], self.channels.values(), strict=True)
        )

    def __len__(self) -> int:
        return max(len(self._a), len(self._b))

    def __repr__(self) -> str:
        a, b = self._folders[self._split]
        return f"Unpaired({self._split}: {len(self._a)} in {a}, {len(self._b)} in {b}, {self._transform})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Placed]:
        """Item `index`; B's picture, crops and flips are drawn from `generator`."""
        if self._split == "test":
            return {"a": self._a.placed(index % len(self._a), None), "b": self._b.placed(index % len(self._b), None)}
        other = index if self._serial else int(torch.randint(len(self._b), (1,), generator=generator).item())
        a = self._a.placed(index % len(self._a), generator)
        return {"a": a, "b": self._b.placed(other % len(self._b), generator)}
