"""Batch normalization."""

from __future__ import annotations

from typing import Annotated

from torch import nn

from gankit.slots import Ge, Gt, Le


class BatchNorm(nn.BatchNorm2d):
    """Batch normalization with running statistics.

    (N, C, H, W) -> the same shape. Training normalizes by the batch, evaluation by the running statistics.

    Args:
        affine: learn a scale and an offset per channel.
        momentum: the share of the new batch in the running statistics.
        eps: added to the variance.

    Paper: arXiv 1502.03167.
    """

    conv_bias = False

    def __init__(
        self,
        channels: int,
        *,
        affine: bool = True,
        momentum: Annotated[float, Ge(0), Le(1)] = 0.1,
        eps: Annotated[float, Gt(0)] = 1e-5,
    ) -> None:
        super().__init__(channels, eps=eps, momentum=momentum, affine=affine)
