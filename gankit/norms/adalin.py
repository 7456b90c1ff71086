"""Layer-instance normalization: U-GAT-IT's AdaLIN and its non-adaptive companion (ILN in the code)."""

from __future__ import annotations

from typing import Annotated, Any

import torch
from torch import Tensor, nn

from gankit.kernels.normalize import normalize
from gankit.kernels.normalize_torch import coefficients
from gankit.norms.bounded import Bounded
from gankit.slots import Ge, Gt, Le


class _LayerInstance(Bounded):
    """What LIN and AdaLIN share: the weight `rho` (C,) of the instance part."""

    conv_bias = False
    fuses = True

    def __init__(self, channels: int, rho: float, eps: float, unbiased: bool) -> None:
        super().__init__()
        self.channels, self.eps, self.unbiased = channels, eps, unbiased
        self.rho = nn.Parameter(torch.full((channels,), float(rho)))

    @property
    def _rule(self) -> dict[str, Any]:
        return {"groups": 1, "eps": self.eps, "unbiased": self.unbiased}

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

    def forward(self, x: Tensor, *, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
        return normalize(x, self.gamma, self.beta, self.rho, slope=slope, residual=residual, **self._rule)

    def coefficients(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        return coefficients(mean, variance, n, self.gamma, self.beta, self.rho, **self._rule)


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

    def forward(
        self, x: Tensor, gamma: Tensor, beta: Tensor, *, slope: float = 1.0, residual: Tensor | None = None
    ) -> Tensor:
        return normalize(x, gamma, beta, self.rho, slope=slope, residual=residual, **self._rule)

    def coefficients(
        self, mean: Tensor, variance: Tensor, n: int, gamma: Tensor, beta: Tensor
    ) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        return coefficients(mean, variance, n, gamma, beta, self.rho, **self._rule)
