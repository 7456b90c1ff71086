"""Group normalization."""

from __future__ import annotations

from typing import Annotated

from torch import Tensor, nn

from gankit.kernels.normalize import normalize, preferred
from gankit.kernels.normalize_torch import coefficients, finish
from gankit.precision import autocasts
from gankit.slots import Ge, Gt


class GroupNorm(nn.GroupNorm):
    """Group normalization: the channels of a picture are normalized in groups, with a scale and offset per channel.

    (N, C, H, W) -> the same shape, in the dtype of the input.

    Args:
        groups: number of groups; a layer with fewer channels than that has one group per channel.
        affine: learn a scale and an offset per channel.
        eps: added to the variance.

    Raises:
        ValueError: the channels cannot be divided into that many groups.

    Paper: arXiv 1803.08494.
    """

    conv_bias = False
    fuses = True

    def __init__(
        self,
        channels: int,
        *,
        groups: Annotated[int, Ge(1)] = 32,
        affine: bool = True,
        eps: Annotated[float, Gt(0)] = 1e-5,
    ) -> None:
        groups = min(groups, channels)
        if channels % groups:
            raise ValueError(f"{channels} channels cannot be divided into {groups} groups")
        super().__init__(groups, channels, eps=eps, affine=affine)

    def forward(self, input: Tensor, *, slope: float = 1.0, residual: Tensor | None = None) -> Tensor:
        if preferred(input) or self._is_narrower(input):
            by = {"groups": self.num_groups, "eps": self.eps, "slope": slope, "residual": residual}
            return normalize(input, self.weight, self.bias, **by)
        normed = super().forward(input).to(input.dtype)  # autocast would leave it in fp32
        return finish(normed, slope, residual)

    def _is_narrower(self, x: Tensor) -> bool:
        """Whether x is of another dtype than the weights, outside of autocast: torch's own refuses that on GPUs."""
        return self.affine and self.weight.dtype != x.dtype and not autocasts(x)

    def coefficients(self, mean: Tensor, variance: Tensor, n: int) -> tuple[Tensor, Tensor]:
        """The scale and offset (N, C) that this norm is, where the channels have these statistics of n values."""
        return coefficients(mean, variance, n, self.weight, self.bias, groups=self.num_groups, eps=self.eps)

    def extra_repr(self) -> str:
        return f"{self.num_channels}, groups={self.num_groups}, affine={self.affine}, eps={self.eps}"
