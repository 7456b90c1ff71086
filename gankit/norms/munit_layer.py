"""MUNIT's own layer normalization."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.kernels.normalize_torch import bessel
from gankit.slots import Gt


class MUNITLayerNorm(nn.Module):
    """Layer normalization as MUNIT's decoder has it: (x - mean) / (std + eps) * gamma + beta, over (C, H, W) together.

    (N, C, H, W) -> the same shape, in the dtype of x; any size of picture. The standard deviation is the unbiased one,
    and eps is added to it, not to the variance: `layer` differs by that. gamma (C,) starts uniform in [0, 1], beta
    (C,) at 0. Flat features come out as beta.

    Args:
        eps: added to the standard deviation.

    Paper: arXiv 1804.04732 (in its code; the paper says layer normalization).
    """

    conv_bias = True

    def __init__(self, channels: int, *, eps: Annotated[float, Gt(0)] = 1e-5) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.gamma = nn.Parameter(torch.rand(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        work = x.to(torch.promote_types(x.dtype, torch.float32))
        variance, mean = torch.var_mean(work, (2, 3), correction=0)
        scale, centre = self._scale(mean, variance, x.shape[2] * x.shape[3])
        # Around the mean: a sum of two large numbers would lose the digits of features that are nearly flat.
        centred = work - centre[:, :, None, None]
        return torch.addcmul(self.beta.to(work)[:, None, None], centred, scale[:, :, None, None]).to(x.dtype)

    def coefficients(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        scale, centre = self._scale(mean, variance, n)
        return scale, self.beta.to(mean) - scale * centre

    def _scale(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """(scale (N, C), mean of the picture (N, 1)), from those of its channels."""
        centre = mean.mean(1, keepdim=True)
        spread = (variance + (mean - centre).square()).mean(1, keepdim=True)
        total = n * mean.shape[1]
        # The root's slope is infinite at 0, where features are flat: no gradient is the right one there.
        flat = spread == 0
        unbiased = torch.where(flat, 1, spread).mul(bessel(total))
        return self.gamma.to(mean) / (torch.where(flat, 0, unbiased.sqrt()) + self.eps), centre

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"
