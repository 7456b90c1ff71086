"""DiffAugment (Zhao et al. 2020)."""

from __future__ import annotations

from typing import Annotated, Literal

import torch
from torch import Tensor

from gankit.augment.base import Augment, Drawn, per_picture
from gankit.augment.geometry import shifted
from gankit.precision import full
from gankit.slots import Ge, Le, MinLen

Transform = Literal["colour", "translation", "cutout"]


class DiffAugment(Augment):
    """DiffAugment (arXiv 2006.10738): colour, translation and cutout of all that critics see, always.

    forward: pictures (N, C, H, W) in [-1, 1] -> the same shape; colours may leave the range. The amounts are those of
    the paper's code:

    - `colour`: brightness moves by U(-0.5, 0.5). The distance of each pixel from grey is multiplied by U(0, 2), and the
      distance from the picture's mean by U(0.5, 1.5). With one channel the distance from grey is 0.
    - `translation`: the picture moves by whole pixels, with 0 (grey) where nothing was.
    - `cutout`: a square of the picture becomes 0.

    Masks are translated, and neither coloured nor cut.

    Args:
        transforms: which of the three are used. None takes all.
        translation: the largest translation, as a share of the side.
        cutout: the side of the square, as a share of the picture's side.
    """

    def __init__(
        self,
        transforms: Annotated[list[Transform], MinLen(1)] | None = None,
        translation: Annotated[float, Ge(0), Le(1)] = 0.125,
        cutout: Annotated[float, Ge(0), Le(1)] = 0.5,
    ) -> None:
        super().__init__()
        self.transforms: tuple[Transform, ...] = tuple(transforms or ("colour", "translation", "cutout"))
        self.translation, self.cutout = translation, cutout

    def draw(self, count: int, device: torch.device) -> Drawn:
        names = ("brightness", "saturation", "contrast", "down", "right", "row", "column")
        return dict(zip(names, torch.rand(len(names), count, device=device).unbind(), strict=True))

    def picture(self, x: Tensor, drawn: Drawn) -> Tensor:
        y = full(x)
        if "colour" in self.transforms:
            y = y + per_picture(drawn["brightness"] - 0.5)
            grey = y.mean(1, keepdim=True)
            y = (y - grey) * per_picture(drawn["saturation"] * 2) + grey
            mean = y.mean((1, 2, 3), keepdim=True)
            y = (y - mean) * per_picture(drawn["contrast"] + 0.5) + mean
        y = self.mask(y, drawn)
        if "cutout" in self.transforms:
            y = y.masked_fill(self._cut(y, drawn), 0)
        return y.to(x.dtype)

    def mask(self, x: Tensor, drawn: Drawn) -> Tensor:
        if "translation" not in self.transforms:
            return x
        height, width = x.shape[2:]
        down, right = self._pixels(drawn["down"], height), self._pixels(drawn["right"], width)
        return shifted(x, down, right)

    def _pixels(self, draw: Tensor, side: int) -> Tensor:
        """U(0, 1) -> whole pixels, all from -most to most equally likely."""
        most = int(side * self.translation + 0.5)
        return (draw * (2 * most + 1)).floor().long().clamp(max=2 * most) - most

    def _cut(self, x: Tensor, drawn: Drawn) -> Tensor:
        """Where the square is, (N, 1, H, W)."""
        inside = []
        for name, side in zip(("row", "column"), x.shape[2:], strict=True):
            length = int(side * self.cutout + 0.5)
            centres = side + 1 - length % 2  # an even square has a place more
            first = (drawn[name] * centres).floor().long().clamp(max=centres - 1) - length // 2
            places = torch.arange(side, device=x.device)[None] - first[:, None]
            inside.append((places >= 0) & (places < length))
        rows, columns = inside
        return rows[:, None, :, None] & columns[:, None, None, :]

    def extra_repr(self) -> str:
        return f"{', '.join(self.transforms)}, translation={self.translation}, cutout={self.cutout}"
