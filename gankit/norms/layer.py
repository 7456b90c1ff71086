"""Layer normalization of feature maps."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from gankit.kernels.normalize import coefficients, finish, normalize, preferred
from gankit.slots import Gt


class LayerNorm(nn.GroupNorm):
    """Layer normalization over (C, H, W) together, with a scale and offset per channel; any size of picture.

    (N, C, H, W) -> the same shape, in the dtype of the input. Biased variance, eps inside the root (MUNIT's own layer
    norm differs: unbiased, eps added to the standard deviation).

    Args:
        affine: learn a scale and an offset per channel.
        eps: added to the variance.

    Paper: arXiv 1607.06450.
    """

    adaptive = False
    conv_bias = False
    fuses = True

    def __init__(self, channels: int, *, affine: bool = True, eps: Annotated[float, Gt(0)] = 1e-5) -> None:
        super().__init__(1, channels, eps=eps, affine=affine)

    def forward(self, input: Tensor, *, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
        if preferred(input):
            by = {"groups": 1, "eps": self.eps, "slope": slope, "residual": residual}
            return normalize(input, self.weight, self.bias, **by)
        normed = super().forward(input).to(input.dtype)  # autocast would leave it in fp32
        return finish(normed, slope, residual)

    def coefficients(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        return coefficients(mean, variance, n, self.weight, self.bias, groups=1, eps=self.eps)
