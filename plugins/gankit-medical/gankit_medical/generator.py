"""A generator for slices: it works at full size, and draws what is added to the picture."""

from __future__ import annotations

from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.layers import check_image
from gankit.slots import Ge


class FromNothing(nn.Conv2d):
    """A convolution that begins at 0, so that the generator copies before it has learned."""

    keeps_weights: ClassVar[bool] = True

    def reset_parameters(self) -> None:
        for parameter in self.parameters(recurse=False):
            nn.init.zeros_(parameter)


class SliceUNet(nn.Module):
    """A U-Net (arXiv 1505.04597) that draws what is added to the picture (arXiv 1612.05363), without norms.

    (N, C, H, W) in [-1, 1] -> (N, C, H, W), in evaluation clamped to [-1, 1]; sides are multiples of 2**downs. Two
    convolutions of 3 x 3 at each size, the full one included, so that vessels of two pixels keep their edges. No norm:
    instance norm takes the mean and the contrast of a slice away, and both are measured in HU.

    channels: width at full size, doubled by each halving. downs: halvings. Raises ValueError where the result has other
    channels than the picture, for nothing can then be added to it.
    """

    overshoots: ClassVar[bool] = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 16,
        downs: Annotated[int, Ge(1)] = 2,
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise ValueError(f"what is added to {in_channels} channels has as many, not {out_channels}")
        widths = [channels * 2**level for level in range(downs + 1)]
        self.in_channels, self.size_multiple = in_channels, 2**downs
        self.down = nn.ModuleList(_twice(a, b) for a, b in zip((in_channels, *widths), widths, strict=False))
        self.up = nn.ModuleList(_twice(b + a, a) for a, b in zip(widths[-2::-1], widths[:0:-1], strict=True))
        self.head = FromNothing(channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, multiple=self.size_multiple)
        kept: list[Tensor] = []
        h = x
        for block in self.down:
            h = block(F.avg_pool2d(h, 2) if kept else h)
            kept.append(h)
        for block, beside in zip(self.up, kept[-2::-1], strict=True):
            h = block(torch.cat([F.interpolate(h, scale_factor=2.0), beside], 1))
        y = x + self.head(h)
        return y if self.training else y.clamp(-1, 1)


def _twice(ins: int, outs: int) -> nn.Sequential:
    first, second = (nn.Conv2d(c, outs, 3, padding=1) for c in (ins, outs))
    return nn.Sequential(first, nn.LeakyReLU(0.1), second, nn.LeakyReLU(0.1))
