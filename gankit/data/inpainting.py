"""Pictures with holes: a folder of pictures, and masks from another folder or drawn."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from annotated_types import Ge, Gt, Le, Lt, MinLen
from torch import Tensor

from gankit.data.dataset import Split
from gankit.data.inpainting_masks import Drawing, Masks, draw_hole
from gankit.data.placed import Placed
from gankit.data.single import Single
from gankit.data.straight_masks import SIDES, Side
from gankit.fields import Mask

DRAWN = "drawn"
Share = Annotated[float, Gt(0), Lt(1)]


@dataclass(kw_only=True, eq=False, repr=False)
class InpaintingFolder(Single):
    """Pictures and holes to fill. An item has `a`, (C, h, w) in [-1, 1], whole, and `mask`, (1, h, w), 1 = hole.

    In training the hole is a random one. In the test, item i always has the i-th mask, counted from the start again
    where there are fewer masks than pictures, or the hole that is drawn from (seed, i).

    Args:
        masks: `drawn`, or a folder of masks: 8-bit pictures that are white in the hole. The folder is looked for below
            `root`, unless its path is absolute. Masks are resized to the picture without smoothing, and flipped both
            ways in training.
        test_masks: the same for the test split. By default it is that of `masks`.
        hole_min, hole_max: the smallest and the largest share of the picture that a drawn hole takes. The share is
            drawn uniformly. It is met by the pixel, or as nearly as whole rows and columns allow.
        drawing: the shape of drawn holes. `strokes` are those of a brush. `noise` is thresholded noise, as LBAM has it.
            `rectangles` have any place and ratio. `centre` is a box in the middle. `border` leaves out some `sides` of
            the picture, so that it is painted on beyond them.
        rectangles: how many rectangles a hole has, with `drawing: rectangles`.
        sides: the sides that a border may take, with `drawing: border`.
        seed: the seed of the drawn test masks.

    Raises ValueError for shares that do not fit together.
    """

    _labels: ClassVar[bool] = False
    masks: str = DRAWN
    test_masks: str = ""
    hole_min: Share = 0.1
    hole_max: Share = 0.5
    drawing: Drawing = "strokes"
    rectangles: Annotated[int, Ge(1), Le(1000)] = 1
    sides: Annotated[tuple[Side, ...], MinLen(1)] = SIDES
    seed: int = 0

    def __post_init__(self) -> None:
        # An attribute `seed` is that of data which are drawn whole, see `gankit.contracts.dataset`.
        self._seed, self.seed = self.seed, None  # pyright: ignore[reportAttributeAccessIssue]
        self.test_masks = self.test_masks or self.masks
        if DRAWN in (self.masks, self.test_masks):
            self._draw(self._transform.size, self._transform.size, torch.Generator())  # what cannot be, is told now
        super().__post_init__()

    def _draw(self, height: int, width: int, generator: torch.Generator) -> Tensor:
        share = self.hole_min, self.hole_max
        return draw_hole(height, width, share, generator, self.drawing, self.rectangles, self.sides)

    def _enter(self, split: Split) -> None:
        super()._enter(split)
        name = self.test_masks if split == "test" else self.masks
        self._mask_folder = None if name == DRAWN else self._below_root(name)
        self._masks = Masks(self._mask_folder, self.max_bad, self._keeping) if self._mask_folder else None
        self.fields["mask"] = Mask(of="a")

    @property
    def sources(self) -> dict[str, list[Path]]:
        """The files of the pictures, and of the masks where they are not drawn."""
        return super().sources | ({"mask": self._masks.paths} if self._masks else {})

    def __repr__(self) -> str:
        masks = f"{len(self._masks)} masks in {self._mask_folder}" if self._masks else "drawn masks"
        return f"InpaintingFolder({self._split}: {len(self)} in {self._folder}, {masks})"

    def placed(self, index: int, generator: torch.Generator) -> dict[str, Tensor | Placed]:
        """Item `index`; crop, flips and hole are drawn from `generator` in training."""
        test = self._still
        picture = self._pictures.placed(index, None if test else generator)
        height, width = picture.size
        if self._masks is None:
            seeded = torch.Generator().manual_seed(1_000_003 * self._seed + index) if test else generator
            return {"a": picture, "mask": self._draw(height, width, seeded)}
        if test:
            return {"a": picture, "mask": self._masks.hole(index % len(self._masks), height, width)}
        number = int(torch.randint(len(self._masks), (1,), generator=generator).item())
        turned = [axis for axis in (-2, -1) if torch.rand(1, generator=generator).item() < 0.5]
        return {"a": picture, "mask": self._masks.hole(number, height, width).flip(turned)}
