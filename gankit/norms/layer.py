"""Layer normalization of feature maps."""

from __future__ import annotations

from typing import Annotated

from gankit.norms.group import GroupNorm
from gankit.slots import Gt


class LayerNorm(GroupNorm):
    """Layer normalization over (C, H, W) together, with a scale and offset per channel; any size of picture.

    (N, C, H, W) -> the same shape, in the dtype of the input. Biased variance, eps inside the root (MUNIT's own layer
    norm differs: unbiased, eps added to the standard deviation).

    Args:
        affine: learn a scale and an offset per channel.
        eps: added to the variance.

    Paper: arXiv 1607.06450.
    """

    def __init__(self, channels: int, *, affine: bool = True, eps: Annotated[float, Gt(0)] = 1e-5) -> None:
        super().__init__(channels, groups=1, affine=affine, eps=eps)
