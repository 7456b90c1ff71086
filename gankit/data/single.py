"""One folder of pictures."""

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


class Single(PlacedDataset):
    """Pictures of one domain. An item has `a`, (C, h, w) in [-1, 1].

    root: the folder in which `train` and `test` lie; `train: .` takes the pictures of `root` itself. preprocess,
    load_size, crop_size, flip, enlarge, exact: see `gankit.data.transforms.Transform`; the test split is resized
    straight to `crop_size`, exact and never random. channels: 3 for RGB, 1 for grey. max_bad: broken pictures that are
    named and stepped over before the run stops. cache, cache_folder: where decoded, resized training pictures are kept,
    see `gankit.data.keeping.Keeping`.

    Raises ValueError for sizes that do not fit together; DataError for a missing or empty folder, too many broken
    pictures, or pictures smaller than the crop.
    """

    def __init__(
        self,
        *,
        root: str = "",
        train: str = "train",
        test: str = "test",
        preprocess: Preprocess = "resize_and_crop",
        load_size: Annotated[int, Ge(4)] = 286,
        crop_size: Annotated[int, Ge(4)] = 256,
        flip: bool = True,
        enlarge: bool = False,
        channels: Literal[1, 3] = 3,
        max_bad: Annotated[int, Ge(0)] = 10,
        cache: Where = "auto",
        cache_folder: str = "",
        exact: bool = False,
    ):
        base = Path(root).expanduser()
        self._folders: dict[str, Path] = {
            "train": base / Path(train).expanduser(),
            "test": base / Path(test).expanduser(),
        }
        self._transform = Transform(preprocess, load_size, crop_size, flip, enlarge, exact)
        self._max_bad, self._keeping = max_bad, Keeping(cache, cache_folder)
        self.channels: dict[str, int] = {"a": channels}
        self.size = self._transform.size
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        transform = self._transform if split == "train" else self._transform.for_test()
        keeping = self._keeping if split == "train" else Keeping()  # a test picture is read once
        self._pictures = Pictures(self._folders[split], transform, self.channels["a"], self._max_bad, keeping)

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        return f"Single({self._split}: {len(self)} in {self._folders[self._split]}, {self._transform})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Placed]:
        """Item `index`; crop and flip are drawn from `generator`."""
        return {"a": self._pictures.placed(index, None if self._split == "test" else generator)}
