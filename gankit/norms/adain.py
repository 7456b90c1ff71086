"""Adaptive instance normalization."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from gankit.norms.instance import InstanceNorm
from gankit.slots import Gt


class AdaIN(InstanceNorm):
    """Adaptive instance normalization: an instance norm whose scale and offset come from outside, per picture.

    x (N, C, H, W), gamma (N, C), beta (N, C) -> gamma * IN(x) + beta, in the shape and dtype of x.

    Args:
        eps: added to the (biased) variance.

    Paper: arXiv 1703.06868.
    """

    adaptive = True
    conv_bias = False
    companion = InstanceNorm  # where a network has no gamma and beta to give

    def __init__(self, channels: int, *, eps: Annotated[float, Gt(0)] = 1e-5) -> None:
        super().__init__(channels, eps=eps)

    def forward(self, input: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        scale, offset = (v[:, :, None, None].to(input.dtype) for v in (gamma, beta))
        return super().forward(input).to(input.dtype) * scale + offset

    def coefficients(
        self, mean: Tensor, variance: Tensor, n: int, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        scale, offset = super().coefficients(mean, variance, n)
        return scale * gamma.to(mean), offset * gamma.to(mean) + beta.to(mean)
