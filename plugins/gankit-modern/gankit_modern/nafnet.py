"""NAFNet: a U-Net of blocks without activations (Chen et al. 2022, arXiv 2204.04676)."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise
from typing import Annotated, Literal

import torch
from timm.layers.norm import LayerNorm2d
from torch import Tensor, nn

from gankit.layers import check_image
from gankit.slots import Ge, MinLen

Blocks = Annotated[list[Annotated[int, Ge(0)]], MinLen(1)]


def halves_multiplied(x: Tensor) -> Tensor:
    """The simple gate: (N, 2C, H, W) -> (N, C, H, W)."""
    first, second = x.chunk(2, 1)
    return first * second


class Norm(LayerNorm2d):
    """Each pixel over its channels."""

    def forward(self, x: Tensor) -> Tensor:
        x = super().forward(x)  # channels last, which is fast, but a graph of it asks for several pictures
        return x.contiguous() if torch.compiler.is_compiling() else x


class NAFBlock(nn.Module):
    """Two residual branches: a depthwise convolution with gate and channel attention, then a gated 1x1 network.

    (N, C, H, W) -> the same shape. Each branch is added with a factor for each channel that begins at 0.
    """

    def __init__(self, channels: int) -> None:
        super().__init__()
        wide = 2 * channels
        self.norm1, self.norm2 = Norm(channels), Norm(channels)
        self.widen, self.depthwise = nn.Conv2d(channels, wide, 1), nn.Conv2d(wide, wide, 3, padding=1, groups=wide)
        self.attend, self.project = nn.Conv2d(channels, channels, 1), nn.Conv2d(channels, channels, 1)
        self.gated, self.out = nn.Conv2d(channels, wide, 1), nn.Conv2d(channels, channels, 1)
        self.beta, self.gamma = (nn.Parameter(torch.zeros(1, channels, 1, 1)) for _ in range(2))

    def forward(self, x: Tensor) -> Tensor:
        inner = halves_multiplied(self.depthwise(self.widen(self.norm1(x))))
        inner = inner * self.attend(inner.mean((2, 3), keepdim=True))
        x = x + self.beta * self.project(inner)
        return x + self.gamma * self.out(halves_multiplied(self.gated(self.norm2(x))))


class NAFNet(nn.Module):
    """NAFNet (arXiv 2204.04676) as a generator: NAFBlocks at every size, skips that are added.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W). Sides must be multiples of 2^len(encoder).

    channels: at full size; doubled at each halving. encoder: blocks before each halving. middle: at the smallest size.
    decoder: blocks after each doubling, as many numbers as `encoder` has. The paper's denoising network is the default
    with channels 32 or 64; its deblurring one has encoder [1, 1, 1, 28], middle 1, decoder [1, 1, 1, 1].
    ending: `sum`, the paper's: the picture plus what is drawn, cut to [-1, 1] in evaluation alone; `tanh` of what is
    drawn. With `sum` nothing bounds what is added in training: take `init: default` of the method, as the paper's code
    has it; `kaiming` begins with pictures far outside of [-1, 1].

    Raises ValueError for `sum` with other channels of the result, and where encoder and decoder differ in length.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 32,
        encoder: Blocks | None = None,
        middle: Annotated[int, Ge(0)] = 12,
        decoder: Blocks | None = None,
        ending: Literal["sum", "tanh"] = "sum",
    ) -> None:
        super().__init__()
        encoder, decoder = encoder or [2, 2, 4, 8], decoder or [2, 2, 2, 2]
        if ending == "sum" and in_channels != out_channels:
            raise ValueError(f"{in_channels} channels cannot be added to {out_channels}: set `ending` to tanh")
        if len(encoder) != len(decoder):
            raise ValueError(f"each of {len(encoder)} halvings has its doubling, and `decoder` has {len(decoder)}")
        self.in_channels, self.ending = in_channels, ending
        self.overshoots = ending == "sum"
        self.size_multiple = self.min_size = 2 ** len(encoder)
        widths = [channels * 2**i for i in range(len(encoder) + 1)]
        self.first, self.last = (
            nn.Conv2d(old, new, 3, padding=1) for old, new in ((in_channels, channels), (channels, out_channels))
        )
        self.encoder = stages(widths[:-1], encoder)
        self.down = nn.ModuleList(nn.Conv2d(old, new, 2, 2) for old, new in pairwise(widths))
        self.middle = nn.Sequential(*(NAFBlock(widths[-1]) for _ in range(middle)))
        self.up = nn.ModuleList(
            nn.Sequential(nn.Conv2d(new, 4 * old, 1, bias=False), nn.PixelShuffle(2))
            for old, new in reversed(list(pairwise(widths)))
        )
        self.decoder = stages(widths[-2::-1], decoder)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, multiple=self.size_multiple)
        picture = x
        x, skips = self.first(x), []
        for blocks, down in zip(self.encoder, self.down, strict=True):
            x = blocks(x)
            skips.append(x)
            x = down(x)
        x = self.middle(x)
        for up, blocks in zip(self.up, self.decoder, strict=True):
            x = blocks(up(x) + skips.pop())
        x = self.last(x)
        if self.ending == "tanh":
            return x.tanh()
        return picture + x if self.training else (picture + x).clamp(-1, 1)

    def extra_repr(self) -> str:
        return f"ending={self.ending!r}"


def stages(widths: Sequence[int], counts: Sequence[int]) -> nn.ModuleList:
    return nn.ModuleList(
        nn.Sequential(*(NAFBlock(width) for _ in range(count))) for width, count in zip(widths, counts, strict=True)
    )
