"""Instance normalization."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.kernels.normalize import normalize, preferred
from gankit.kernels.normalize_torch import coefficients, finish
from gankit.slots import Gt


class DenseGradient(torch.autograd.Function):
    """The identity; its gradient is laid out row by row.

    torch's instance norm on CPUs gives wrong gradients, silently, for a batch of one whose gradient arrives with the
    channels last (seen with torch 2.15), as it does from a loss that picks vectors of features. CUT's code is hit.
    """

    generate_vmap_rule = True

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
    to normalize and is refused with a ValueError. slope, residual: of the forward, see `gankit.norms.rules.normed`.

    Args:
        affine: learn a scale and an offset per channel (the code of AGIT, arXiv 1806.02311, does; CycleGAN's does not).
        eps: added to the variance.

    Paper: arXiv 1607.08022.
    """

    conv_bias = True
    cancels_bias = True
    fuses = True

    def __init__(self, channels: int, *, affine: bool = False, eps: Annotated[float, Gt(0)] = 1e-5) -> None:
        super().__init__(channels, eps=eps, affine=affine)

    def forward(self, input: Tensor, *, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
        refuse_single_pixels(input)
        if preferred(input):
            return normalize(input, self.weight, self.bias, eps=self.eps, slope=slope, residual=residual)
        return finish(self._normed(input), slope, residual)

    def _normed(self, input: Tensor) -> Tensor:
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
        return coefficients(mean, variance, n, self.weight, self.bias, eps=self.eps)


def refuse_single_pixels(x: Tensor) -> None:
    if x.shape[2] * x.shape[3] == 1:
        raise ValueError("an instance norm needs maps of more than one pixel; got 1x1")
