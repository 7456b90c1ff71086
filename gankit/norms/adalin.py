"""Layer-instance normalization: U-GAT-IT's AdaLIN and its non-adaptive companion (ILN in the code)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.norms.bounded import Bounded
from gankit.slots import Ge, Gt, Le


def layer_instance_norm(x: Tensor, rho: Tensor, gamma: Tensor, beta: Tensor, eps: float, unbiased: bool) -> Tensor:
    """(rho * IN(x) + (1 - rho) * LN(x)) * gamma + beta, as one multiply-add over x.

    x (N, C, H, W); rho (C,); gamma and beta (N, C) or (C,). The statistics of the whole picture follow exactly from
    those of its channels, so that x is read twice, not seven times: with mean m_c and variance v_c of n = H*W values,
    M = mean(m_c) and V = mean(v_c + (m_c - M)^2). All statistics are in fp32 (fp64 for fp64); the result has x's dtype.
    Unbiased, a single value has variance 0, never NaN.
    """
    work = x.to(torch.promote_types(x.dtype, torch.float32))
    variance, mean = torch.var_mean(work, (2, 3), correction=0)
    n = x.shape[2] * x.shape[3]
    scale, offset = layer_instance_coefficients(mean, variance, n, rho, gamma, beta, eps, unbiased)
    return torch.addcmul(offset[:, :, None, None], work, scale[:, :, None, None]).to(x.dtype)


def layer_instance_coefficients(
    mean: Tensor, variance: Tensor, n: int, rho: Tensor, gamma: Tensor, beta: Tensor, eps: float, unbiased: bool
) -> tuple[Tensor, Tensor]:
    """(scale, offset), each (N, C), from the mean and the biased variance (N, C) of each channel's n values."""
    whole_mean = mean.mean(1, keepdim=True)
    whole_variance = (variance + (mean - whole_mean).square()).mean(1, keepdim=True)
    if unbiased:
        total = n * mean.shape[1]
        variance = variance.mul(n / torch.sym_max(n - 1, 1))
        whole_variance = whole_variance.mul(total / torch.sym_max(total - 1, 1))
    instance = rho * torch.rsqrt(variance + eps)
    layer = (1 - rho) * torch.rsqrt(whole_variance + eps)
    scale = gamma * (instance + layer)
    return scale, beta - gamma * (instance * mean + layer * whole_mean)


class _LayerInstance(Bounded):
    """What LIN and AdaLIN share: the weight `rho` (C,) of the instance part."""

    conv_bias = False

    def __init__(self, channels: int, rho: float, eps: float, unbiased: bool) -> None:
        super().__init__()
        self.channels, self.eps, self.unbiased = channels, eps, unbiased
        self.rho = nn.Parameter(torch.full((channels,), float(rho)))

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}, unbiased={self.unbiased}"


class LIN(_LayerInstance):
    """Layer-instance normalization with its own scale and offset: U-GAT-IT's decoder norm (ILN in its code).

    (N, C, H, W) -> (rho * IN(x) + (1 - rho) * LN(x)) * gamma + beta, in the shape and dtype of x. `rho` (C,) is clipped
    to [0, 1] by every optimizer step. At a 1x1 map the instance part is 0, not NaN.

    Args:
        rho: where rho starts; 0 is a pure layer norm.
        eps: added to the variances.
        unbiased: divide by n - 1 (the official PyTorch code) instead of n (the official TensorFlow code).

    Paper: arXiv 1907.10830.
    """

    adaptive = False

    def __init__(
        self,
        channels: int,
        *,
        rho: Annotated[float, Ge(0), Le(1)] = 0.0,
        eps: Annotated[float, Gt(0)] = 1e-5,
        unbiased: bool = True,
    ) -> None:
        super().__init__(channels, rho, eps, unbiased)
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        return layer_instance_norm(x, self.rho, self.gamma, self.beta, self.eps, self.unbiased)

    def coefficients(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        rho, gamma, beta = (p.to(mean) for p in (self.rho, self.gamma, self.beta))
        return layer_instance_coefficients(mean, variance, n, rho, gamma, beta, self.eps, self.unbiased)


class AdaLIN(_LayerInstance):
    """Adaptive layer-instance normalization: scale and offset come from outside, per picture.

    x (N, C, H, W), gamma (N, C), beta (N, C) -> (rho * IN(x) + (1 - rho) * LN(x)) * gamma + beta, in the shape and
    dtype of x. `rho` (C,) is clipped to [0, 1] by every optimizer step. At a 1x1 map the instance part is 0, not NaN.

    Args:
        rho: where rho starts; 1 is a pure instance norm. (The TensorFlow code starts at 1 and subtracts 0.1 in use.)
        eps: added to the variances.
        unbiased: divide by n - 1 (the official PyTorch code) instead of n (the official TensorFlow code).

    Paper: arXiv 1907.10830.
    """

    adaptive = True
    companion = LIN  # where a network has no gamma and beta to give

    def __init__(
        self,
        channels: int,
        *,
        rho: Annotated[float, Ge(0), Le(1)] = 0.9,
        eps: Annotated[float, Gt(0)] = 1e-5,
        unbiased: bool = True,
    ) -> None:
        super().__init__(channels, rho, eps, unbiased)

    def forward(self, x: Tensor, gamma: Tensor, beta: Tensor) -> Tensor:
        return layer_instance_norm(x, self.rho, gamma, beta, self.eps, self.unbiased)

    def coefficients(
        self, mean: Tensor, variance: Tensor, n: int, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        rho, gamma, beta = (p.to(mean) for p in (self.rho, gamma, beta))
        return layer_instance_coefficients(mean, variance, n, rho, gamma, beta, self.eps, self.unbiased)
