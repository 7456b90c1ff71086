"""Pictures with holes: a folder of pictures, and masks from another folder or drawn."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import torch
from annotated_types import Ge, Gt, Lt
from torch import Tensor

from gankit.data.dataset import PlacedDataset, Split
from gankit.data.folder import Pictures
from gankit.data.inpainting_masks import Drawing, Masks, count_within, draw_hole
from gankit.data.keeping import Keeping, Where
from gankit.data.placed import Placed
from gankit.data.transforms import Preprocess, Transform

DRAWN = "drawn"
Share = Annotated[float, Gt(0), Lt(1)]


class InpaintingFolder(PlacedDataset):
    """Pictures and holes to fill. An item has `a`, (C, h, w) in [-1, 1], whole, and `mask`, (1, h, w), 1 = hole.

    In training the hole is a random one; in test, item i always has the i-th mask (from the start again where there are
    fewer), or the one drawn from (seed, i).

    root: the folder in which `train` and `test` lie; `train: .` takes the pictures of `root` itself. masks: a folder of
    masks, white = hole, which are resized to the picture without smoothing, and flipped both ways in training; below
    `root`, unless it is absolute; or `drawn`. test_masks: the same for the test split; that of `masks` by default.
    hole_min, hole_max: the share of the picture that a drawn hole takes; it is drawn uniformly and met by the pixel.
    drawing: `strokes` of a brush, or thresholded `noise`, LBAM's. seed: of the drawn test masks.

    preprocess, load_size, crop_size, flip, enlarge, exact: see `gankit.data.transforms.Transform`; the test split is
    resized straight to `crop_size`, exact. channels: 3 for RGB, 1 for grey. max_bad: broken pictures, and broken masks,
    that are named and stepped over before the run stops. cache, cache_folder: where decoded, resized training pictures
    are kept, see `gankit.data.keeping.Keeping`.

    Raises ValueError for sizes and shares that do not fit together; DataError for a missing or empty folder, too many
    broken pictures, or pictures smaller than the crop.
    """

    def __init__(
        self,
        *,
        root: str = "",
        train: str = "train",
        test: str = "test",
        masks: str = DRAWN,
        test_masks: str = "",
        hole_min: Share = 0.1,
        hole_max: Share = 0.5,
        drawing: Drawing = "strokes",
        seed: int = 0,
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
        names = {"train": masks, "test": test_masks or masks}
        self._mask_folders = {
            split: None if name == DRAWN else base / Path(name).expanduser() for split, name in names.items()
        }
        self._share, self._seed = (hole_min, hole_max), seed
        self._drawing: Drawing = drawing
        self._transform = Transform(preprocess, load_size, crop_size, flip, enlarge, exact)
        if DRAWN in names.values():
            count_within(self._transform.size, self._transform.size, self._share)
        self._max_bad, self._keeping = max_bad, Keeping(cache, cache_folder)
        self.channels: dict[str, int] = {"a": channels}
        self.size = self._transform.size
        self._enter("train")

    def _enter(self, split: Split) -> None:
        self._split: Split = split
        transform = self._transform if split == "train" else self._transform.for_test()
        keeping = self._keeping if split == "train" else Keeping()  # a test picture is read once
        self._pictures = Pictures(self._folders[split], transform, self.channels["a"], self._max_bad, keeping)
        folder = self._mask_folders[split]
        self._masks = Masks(folder, self._max_bad, keeping) if folder else None

    def __len__(self) -> int:
        return len(self._pictures)

    def __repr__(self) -> str:
        masks = f"{len(self._masks)} masks in {self._mask_folders[self._split]}" if self._masks else "drawn masks"
        return f"InpaintingFolder({self._split}: {len(self)} in {self._folders[self._split]}, {masks})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Tensor | Placed]:
        """Item `index`; crop, flips and hole are drawn from `generator` in training."""
        test = self._split == "test"
        picture = self._pictures.placed(index, None if test else generator)
        height, width = picture.size
        if self._masks is None:
            seeded = torch.Generator().manual_seed(1_000_003 * self._seed + index) if test else generator
            return {"a": picture, "mask": draw_hole(height, width, self._share, seeded, self._drawing)}
        if test:
            return {"a": picture, "mask": self._masks.hole(index % len(self._masks), height, width)}
        number = int(torch.randint(len(self._masks), (1,), generator=generator).item())
        turned = [axis for axis in (-2, -1) if torch.rand(1, generator=generator).item() < 0.5]
        return {"a": picture, "mask": self._masks.hole(number, height, width).flip(turned)}
