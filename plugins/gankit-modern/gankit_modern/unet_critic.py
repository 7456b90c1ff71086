"""A critic that is a U-Net: it judges the picture and each of its pixels (Schönfeld et al. 2020, arXiv 2002.12655)."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from itertools import pairwise
from typing import Annotated, Any

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.discriminators import SpectralConv2d, check_input
from gankit.slots import Ge, Le

Convolution = Callable[..., nn.Module]
"""Made with channels in and out and an odd kernel, and `bias` where there shall be none; keeps the size."""


def convolution(spectral: bool) -> Convolution:
    make: Any = SpectralConv2d if spectral else nn.Conv2d
    return lambda incoming, outgoing, kernel, bias=True: make(
        incoming, outgoing, kernel, padding=kernel // 2, bias=bias
    )


class Down(nn.Module):
    """BigGAN's residual block of critics (arXiv 1809.11096): (N, in, H, W) -> (N, out, H/2, W/2), sides rounded down.

    first: x is a picture, which is not rectified, and is halved before its 1x1 convolution.
    """

    def __init__(self, incoming: int, outgoing: int, conv: Convolution, first: bool) -> None:
        super().__init__()
        self.first = first
        self.conv1, self.conv2 = conv(incoming, outgoing, 3), conv(outgoing, outgoing, 3)
        self.skip = conv(incoming, outgoing, 1)

    def forward(self, x: Tensor) -> Tensor:
        inner = self.conv2(F.relu(self.conv1(x if self.first else F.relu(x))))
        skip = self.skip(F.avg_pool2d(x, 2)) if self.first else F.avg_pool2d(self.skip(x), 2)
        return F.avg_pool2d(inner, 2) + skip


class Up(nn.Module):
    """The residual block of the way back: (N, in, h, w) -> (N, out, *size), enlarged by repeating pixels."""

    def __init__(self, incoming: int, outgoing: int, conv: Convolution) -> None:
        super().__init__()
        self.conv1, self.conv2 = conv(incoming, outgoing, 3), conv(outgoing, outgoing, 3)
        self.skip = conv(incoming, outgoing, 1)

    def forward(self, x: Tensor, size: torch.Size) -> Tensor:
        enlarge = partial(F.interpolate, size=size, mode="nearest")
        return self.conv2(F.relu(self.conv1(enlarge(F.relu(x))))) + self.skip(enlarge(x))


class Attention(nn.Module):
    """Self-attention as BigGAN's code has it (arXiv 1809.11096; the idea: arXiv 1805.08318): every place looks at the
    others on a grid half as fine. (N, channels, H, W) -> the same shape; sides of 2 at least.

    Queries and keys have an eighth of the channels, values half of them; scores are not scaled. What is found is added
    with a factor that begins at 0.
    """

    def __init__(self, channels: int, conv: Convolution) -> None:
        super().__init__()
        narrow, wide = max(channels // 8, 1), max(channels // 2, 1)
        self.query, self.key = (conv(channels, narrow, 1, bias=False) for _ in range(2))
        self.value, self.out = conv(channels, wide, 1, bias=False), conv(wide, channels, 1, bias=False)
        self.gamma = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        keys, values = (F.max_pool2d(conv(x), 2) for conv in (self.key, self.value))
        query, key, value = (rearrange(y, "n c h w -> n 1 (h w) c") for y in (self.query(x), keys, values))
        found = F.scaled_dot_product_attention(query, key, value, scale=1.0)
        return x + self.gamma * self.out(rearrange(found, "n 1 (h w) c -> n c h w", h=x.shape[2]))


class UNetCritic(nn.Module):
    """U-Net discriminator (arXiv 2002.12655): logits of each pixel, and of the picture at the bottleneck.

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> (pixels (N, 1, H, W), picture (N, 1)), no sigmoid; losses add
    the two, as in the paper. Sides below `min_size`, 2^downs px, are refused with a ValueError. The picture's logit
    comes of a sum over the bottleneck, and grows with the size. The loss `cutmix_consistency` is made for this critic.

    channels: after the first halving; doubled at each up to 8 x, at the last to 16 x where there are five or more.
    downs: 5 at 128 px, 6 at 256 px in the paper. spectral_norm: as in the paper. attention: the halvings, counted from
    1, after which every place looks at the others; the option of the paper's code, which its trainings leave out. It
    costs the square of the places. ValueError for a halving that is not there.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        downs: Annotated[int, Ge(1), Le(10)] = 5,
        spectral_norm: bool = True,
        attention: list[Annotated[int, Ge(1)]] | None = None,
    ) -> None:
        super().__init__()
        attention = attention or []
        if attention and max(attention) > downs:
            raise ValueError(f"`attention` after halving {max(attention)}, and there are {downs}")
        self.in_channels = in_channels
        self.min_size = max([2**downs, *(2 ** (number + 1) for number in attention)])
        conv = convolution(spectral_norm)
        widths = [channels * min(2**i, 8) for i in range(downs - 1)] + [channels * min(2 ** (downs - 1), 16)]
        self.down = nn.ModuleList(
            Down(incoming, outgoing, conv, first=i == 0)
            for i, (incoming, outgoing) in enumerate(pairwise([in_channels, *widths]))
        )
        self.attention = nn.ModuleDict({str(i): Attention(widths[i - 1], conv) for i in sorted({*attention})})
        back = [*reversed(widths[:-1]), channels]
        beside = [0, *reversed(widths[:-1])]  # of the way down, at the size from which a block starts
        self.up = nn.ModuleList(
            Up(incoming + skip, outgoing, conv)
            for incoming, skip, outgoing in zip([widths[-1], *back[:-1]], beside, back, strict=True)
        )
        self.picture = conv(widths[-1], 1, 1)
        self.pixels = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        *_, inner, outer = self.walk(x)
        return self.pixels(outer), self.picture(F.relu(inner).sum((2, 3), keepdim=True)).flatten(1)

    def features(self, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """What each block makes of the pictures, (N, C, h, w) each, down and up again, for feature matching."""
        *blocks, _, _ = self.walk(x)
        return (tuple(blocks),)

    def walk(self, x: Tensor) -> list[Tensor]:
        """The result of each block, down and up; then that of the innermost and of the last once more."""
        check_input("U-Net critic", x, self.in_channels, self.min_size)
        down = [x]
        for number, block in enumerate(self.down, 1):
            inner = block(down[-1])
            down.append(self.attention[str(number)](inner) if str(number) in self.attention else inner)
        up = [down[-1]]
        for i, block in enumerate(self.up):
            inner = up[-1] if i == 0 else torch.cat([up[-1], down[-1 - i]], 1)
            up.append(block(inner, down[-2 - i].shape[2:]))
        return [*down[1:], *up[1:], down[-1], up[-1]]
