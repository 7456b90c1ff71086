"""Instance normalization."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.slots import Gt


def grouped_coefficients(
    mean: Tensor, variance: Tensor, groups: int, weight: Tensor | None, bias: Tensor | None, eps: float
) -> tuple[Tensor, Tensor]:
    """(scale, offset), each (N, C), of a norm over groups of channels, from the mean and the biased variance (N, C) of
    each channel. A group's statistics follow exactly from those of its channels."""
    by_group = (len(mean), groups, -1)
    means, variances = mean.view(by_group), variance.view(by_group)
    centre = means.mean(2, keepdim=True)
    spread = (variances + (means - centre).square()).mean(2, keepdim=True)
    scale = torch.rsqrt(spread + eps).expand_as(means).reshape_as(mean)
    scale = scale if weight is None else scale * weight.to(mean)
    offset = -scale * centre.expand_as(means).reshape_as(mean)
    return scale, offset if bias is None else offset + bias.to(mean)


class DenseGradient(torch.autograd.Function):
    """The identity; its gradient is laid out row by row.

    torch's instance norm on CPUs gives wrong gradients, silently, for a batch of one whose gradient arrives with the
    channels last (seen with torch 2.15), as it does from a loss that picks vectors of features. CUT's code is hit.
    """

    @staticmethod
    def forward(x: Tensor) -> Tensor:
        return x.view_as(x)

    @staticmethod
    def setup_context(ctx: Any, inputs: Any, output: Any) -> None:
        del ctx, inputs, output

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return gradients[0].contiguous()


class InstanceNorm(nn.InstanceNorm2d):
    """Instance normalization: each channel of each picture to mean 0 and variance 1 (biased).

    (N, C, H, W) -> the same shape. No running statistics: training and evaluation are the same. A 1x1 map has nothing
    to normalize and is refused with a ValueError.

    Args:
        affine: learn a scale and an offset per channel (the code of AGIT, arXiv 1806.02311, does; CycleGAN does not).
        eps: added to the variance.

    Paper: arXiv 1607.08022.
    """

    adaptive = False
    conv_bias = True

    def __init__(self, channels: int, *, affine: bool = False, eps: Annotated[float, Gt(0)] = 1e-5) -> None:
        super().__init__(channels, eps=eps, affine=affine)

    def forward(self, input: Tensor) -> Tensor:
        if input.shape[2] * input.shape[3] == 1:
            raise ValueError("an instance norm needs maps of more than one pixel; got 1x1")
        plain = self.weight is None and input.dtype in (torch.float32, torch.float64)
        if plain or input.is_cuda:
            normed = super().forward(input)  # bit for bit what the reference codes in torch compute
            return DenseGradient.apply(normed) if normed.requires_grad and normed.is_cpu else normed
        # The same function, on a CPU faster and more accurate (torch's loses digits of half precision): the norm does
        # not see a shift of x, so that the mean may be taken off beforehand, without gradient.
        centred = input - input.detach().mean((2, 3), keepdim=True)
        return F.group_norm(centred, self.num_features, self.weight, self.bias, self.eps).to(input.dtype)

    def coefficients(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        return grouped_coefficients(mean, variance, mean.shape[1], self.weight, self.bias, self.eps)
