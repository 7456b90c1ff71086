"""Adaptive instance normalization."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor

from gankit.kernels.normalize import normalize
from gankit.kernels.normalize_torch import coefficients
from gankit.norms.instance import InstanceNorm, refuse_single_pixels
from gankit.slots import Gt


class AdaIN(InstanceNorm):
    """Adaptive instance normalization: an instance norm whose scale and offset come from outside, per picture.

    x (N, C, H, W), gamma (N, C), beta (N, C) -> gamma * IN(x) + beta, in the shape and dtype of x.

    Args:
        eps: added to the (biased) variance.

    Paper: arXiv 1703.06868.
    """

    conv_bias = False
    companion = InstanceNorm  # where a network has no gamma and beta to give

    def __init__(self, channels: int, *, eps: Annotated[float, Gt(0)] = 1e-5) -> None:
        super().__init__(channels, eps=eps)

    def forward(
        self, input: Tensor, gamma: Tensor, beta: Tensor, *, slope: float = 1.0, residual: Tensor | None = None
    ) -> Tensor:
        refuse_single_pixels(input)
        return normalize(input, gamma, beta, eps=self.eps, slope=slope, residual=residual)

    def coefficients(
        self, mean: Tensor, variance: Tensor, n: int, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        return coefficients(mean, variance, n, gamma, beta, eps=self.eps)
