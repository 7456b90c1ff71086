"""Any picture size for networks that accept only some."""

from __future__ import annotations

from collections.abc import Callable

import torch.nn.functional as F
from torch import Tensor


def fit(x: Tensor, multiple: int, smallest: int, scale: int = 1) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Pad (N, C, H, W) at the right and bottom to sides that are multiples of `multiple` and at least `smallest`.

    Reflection where the picture is large enough for it, else repetition of the edge. The function returned beside
    it crops a result back, bringing maps of another resolution to the picture's size first; results are `scale` times
    as large as the picture (super-resolution).
    """
    height, width = x.shape[-2:]
    bottom, right = (-(-max(side, smallest) // multiple) * multiple - side for side in (height, width))
    if bottom or right:
        mode = "reflect" if bottom < height and right < width else "replicate"
        x = F.pad(x, (0, right, 0, bottom), mode=mode)
    padded = tuple(scale * side for side in x.shape[-2:])

    def crop(y: Tensor) -> Tensor:
        if y.shape[-2:] != padded:
            y = F.interpolate(y, size=padded, mode="bilinear", align_corners=False)
        return y[..., : scale * height, : scale * width]

    return x, crop


def stretch(x: Tensor, side: int) -> tuple[Tensor, Callable[[Tensor], Tensor]]:
    """Resize (N, C, H, W) to side x side, whatever its aspect; the function beside it resizes a result back."""
    before = x.shape[-2:]

    def back(y: Tensor) -> Tensor:
        return _resized(y, before)

    return _resized(x, (side, side)), back


def _resized(x: Tensor, size: tuple[int, ...]) -> Tensor:
    if x.shape[-2:] == tuple(size):
        return x
    return F.interpolate(x, size=tuple(size), mode="bilinear", align_corners=False, antialias=True)
