"""Batch-instance normalization."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.kernels.normalize import normalize
from gankit.norms.bounded import Bounded
from gankit.slots import Ge, Gt, Le


class BIN(Bounded):
    """Batch-instance normalization: a learned gate for each channel chooses between batch norm and instance norm.

    (N, C, H, W) -> (rho * BN(x) + (1 - rho) * IN(x)) * gamma + beta, in the shape and dtype of x. `rho` (C,) is clipped
    to [0, 1] by every optimizer step. The batch part has running statistics as `batch` has, by which evaluation
    normalizes; the instance part is the same in both, and 0 at a 1x1 map.

    Args:
        rho: where rho starts; 1 is a pure batch norm.
        momentum: the share of the new batch in the running statistics.
        eps: added to the (biased) variances.

    Paper: arXiv 1805.07925. Its code gives the gates ten times the learning rate and no weight decay; here they learn
    as all parameters do.
    """

    conv_bias = False
    fuses = True

    def __init__(
        self,
        channels: int,
        *,
        rho: Annotated[float, Ge(0), Le(1)] = 1.0,
        momentum: Annotated[float, Ge(0), Le(1)] = 0.1,
        eps: Annotated[float, Gt(0)] = 1e-5,
    ) -> None:
        super().__init__()
        self.channels, self.eps = channels, eps
        self.batch = nn.BatchNorm2d(channels, eps=eps, momentum=momentum, affine=False)
        self.rho = nn.Parameter(torch.full((channels,), float(rho)))
        self.gamma = nn.Parameter(torch.ones(channels))
        self.beta = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor, *, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
        of_batch = (self.batch(x) * (self.rho * self.gamma)[:, None, None]).to(x.dtype)
        if residual is not None:
            of_batch = of_batch + residual
        own = (1 - self.rho) * self.gamma
        return normalize(x, own, self.beta, eps=self.eps, slope=slope, residual=of_batch)

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"
