"""SPADE's generator."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.conditions import Conditions, chosen, wants
from gankit.discriminators import SpectralConv2d
from gankit.layers import check_image
from gankit.norms import normed
from gankit.slots import Ge, Norm
from gankit_spade.norm import SPADE

SLOPE = 0.2


class SPADEBlock(nn.Module):
    """Two times norm, leaky ReLU, 3x3 convolution, beside a shortcut: (N, channels, h, w) -> (N, out, h, w).

    Where the width changes, the shortcut is a norm and a 1x1 convolution. The norms ask for what they want of the
    conditions. spectral: convolutions with spectral norm.
    """

    def __init__(self, channels: int, out: int, norm: Norm, spectral: bool) -> None:
        super().__init__()
        conv = SpectralConv2d if spectral else nn.Conv2d
        middle = min(channels, out)
        self.norms = nn.ModuleList([norm(channels), norm(middle)])
        self.convs = nn.ModuleList([conv(channels, middle, 3, padding=1), conv(middle, out, 3, padding=1)])
        changes = channels != out
        self.short_norm = norm(channels) if changes else None
        self.short = conv(channels, out, 1, bias=False) if changes else None
        self.wants = wants(self.norms[0])

    def forward(self, x: Tensor, conditions: Conditions) -> Tensor:
        given, short = chosen(self.wants, conditions), x
        if self.short_norm is not None and self.short is not None:
            short = self.short(normed(self.short_norm, x, given))
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = conv(normed(norm, x, given, slope=SLOPE))
        return short + x


class SPADEGenerator(nn.Module):
    """SPADE's generator (arXiv 1903.07291): a picture from a segmentation map, without an encoder.

    (N, in_channels, H, W), the map with 1 at the class of each pixel -> (N, out_channels, H, W) in [-1, 1]. The map
    shrunk 2**ups times begins; after each doubling a block halves the width, and every norm sees the map again. Sides
    must be multiples of 2**ups. With the paper's 5 doublings (`normal` in its code) and 64 channels it is the paper's.

    Args:
        channels: width at full size; 2**(ups - 1) times that at the bottom.
        ups: how often the size is doubled.
        norm: made for each layer; it is given `segmentation`, the generator's own input. None: `spade` for
            `in_channels` classes.
        spectral: spectral norm on the blocks' convolutions, as in the paper.

    Raises:
        ValueError: of the forward, for a wrong number of channels or size.
    """

    passes_on = {"norm": ("segmentation",)}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        ups: Annotated[int, Ge(2)] = 5,
        norm: Norm | None = None,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        norm = norm or partial(SPADE, classes=in_channels)
        widths = [channels * 2**i for i in reversed(range(ups))]
        wide = widths[0]
        self.in_channels, self.ups = in_channels, ups
        self.size_multiple = self.min_size = 2**ups
        self.stem = nn.Conv2d(in_channels, wide, 3, padding=1)
        self.bottom = SPADEBlock(wide, wide, norm, spectral)
        self.middle = nn.ModuleList(SPADEBlock(wide, wide, norm, spectral) for _ in range(2))
        after = zip(widths, [*widths[1:], channels], strict=True)
        self.up = nn.ModuleList(SPADEBlock(*pair, norm, spectral) for pair in list(after)[: ups - 1])
        self.head = nn.Conv2d(widths[-1], out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        conditions = {"segmentation": x}
        small = F.interpolate(x, scale_factor=1 / 2**self.ups, mode="nearest")
        y = double(self.bottom(self.stem(small), conditions))
        for block in self.middle:
            y = block(y, conditions)
        for block in self.up:
            y = block(double(y), conditions)
        return torch.tanh(self.head(F.leaky_relu(y, SLOPE)))


def double(x: Tensor) -> Tensor:
    return F.interpolate(x, scale_factor=2, mode="nearest")
