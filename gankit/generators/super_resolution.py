"""The super-resolution network of Johnson, Alahi and Fei-Fei (2016)."""

from __future__ import annotations

from functools import partial
from math import log2
from typing import Annotated, Literal

from torch import Tensor, nn

from gankit.generators.johnson import OVERSHOOT, fractional, refuse_adaptive, scaled_tanh
from gankit.layers import ConvNorm, ResidualBlock, check_image, conv
from gankit.norms.batch import BatchNorm
from gankit.resample import enlarge
from gankit.slots import Ge, Gt, Le, Norm


class JohnsonSRGenerator(nn.Module):
    """Super-resolution of arXiv 1603.08155: c9s1-64, R64 x4, u64 x log2(factor), c9s1-3, scaled tanh; zero padding.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, factor*H, factor*W), of any size. In training the picture may
    leave [-1, 1] by the scale of the tanh (see `johnson`); in evaluation it is clamped.

    Args:
        factor: how many times larger the result is.
        channels: the width of all layers.
        blocks: the number of residual blocks, which work at the small size.
        norm: any norm that is not adaptive. The paper has `batch`.
        scale: the factor on the tanh. 1 keeps the picture in [-1, 1].
        add_bicubic: whether the network draws only what the bicubic enlargement of its input lacks. This is not in the
            paper. It starts at a point that the paper's network reaches late, so use it (with `norm: none`) in short
            trainings.

    Raises:
        ValueError: for an adaptive norm; for `add_bicubic` with unequal channels; of the forward, for a wrong input.
    """

    size_multiple = 1
    overshoots = True
    offers: frozenset[str] = frozenset()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        factor: Literal[2, 4, 8] = 4,
        channels: Annotated[int, Ge(1)] = 64,
        blocks: Annotated[int, Ge(0), Le(1000)] = 4,
        norm: Norm = BatchNorm,
        scale: Annotated[float, Gt(0)] = OVERSHOOT,
        add_bicubic: bool = False,
    ) -> None:
        super().__init__()
        refuse_adaptive(norm(channels))
        if add_bicubic and in_channels != out_channels:
            raise ValueError(f"add_bicubic needs as many channels out as in, not {in_channels} and {out_channels}")
        self.in_channels, self.factor, self.scale, self.add_bicubic = in_channels, factor, scale, add_bicubic
        self.stem = ConvNorm(partial(conv, in_channels, channels, 9, padding="zero"), norm(channels))
        self.blocks = nn.ModuleList(ResidualBlock(channels, norm, padding="zero") for _ in range(blocks))
        self.up = nn.ModuleList(fractional(channels, channels, norm) for _ in range(int(log2(factor))))
        self.head = conv(channels, out_channels, 9, padding="zero")
        if add_bicubic:
            nn.init.zeros_(self.head.bias)  # type: ignore[arg-type]
            self.head.weight.data.mul_(0.1)  # begins near the enlargement

    @property
    def min_size(self) -> int:
        """An instance norm needs more than one pixel."""
        return 2

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, minimum=self.min_size)
        h = self.stem(x)
        for layer in (*self.blocks, *self.up):
            h = layer(h)
        y = scaled_tanh(self.head(h), self.scale, self.training)
        if not self.add_bicubic:
            return y
        y = y + enlarge(x, self.factor)
        return y if self.training else y.clamp(-1, 1)
