"""UVCGAN's generator: a U-Net with a transformer over the pixels of its bottleneck (arXiv 2203.02557)."""

from __future__ import annotations

from typing import Annotated

import torch
from einops import rearrange
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.layers import check_image
from gankit.norms import InstanceNorm
from gankit.precision import full
from gankit.slots import Ge, Norm

SLOPE = 0.01
"""Of the leaky ReLUs."""


class TransformerBlock(nn.Module):
    """Attention and a perceptron, each behind a layer norm and added with one factor that begins at 0 (ReZero, arXiv
    2003.04887). (N, L, width) -> the same shape."""

    def __init__(self, width: int, heads: int, hidden: int) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.perceptron = nn.Sequential(nn.Linear(width, hidden), nn.GELU(), nn.Linear(hidden, width))
        self.alpha = nn.Parameter(torch.zeros(1))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.alpha * self.attended(self.norm1(x))
        return x + self.alpha * self.perceptron(self.norm2(x))

    def attended(self, x: Tensor) -> Tensor:
        """What torch's module makes of its weights; its own forward cannot be exported for any number of pictures."""
        inner = self.attention
        queries, keys, values = rearrange(
            F.linear(x, inner.in_proj_weight, inner.in_proj_bias),
            "n l (part heads c) -> part n heads l c",
            part=3,
            heads=inner.num_heads,
        )
        found = F.scaled_dot_product_attention(queries, keys, values)
        return inner.out_proj(rearrange(found, "n heads l c -> n l (heads c)"))


class PixelTransformer(nn.Module):
    """A vision transformer whose tokens are the pixels of features: (N, channels, H, W) -> the same shape, any size.

    Each token is told its place by sines of a learned linear map of (row, column), both from -1 to 1 (arXiv
    2011.13775).
    """

    def __init__(self, channels: int, width: int, heads: int, blocks: int, hidden: int) -> None:
        super().__init__()
        self.place = nn.Linear(2, width)
        self.incoming = nn.Linear(width + channels, width)
        self.blocks = nn.Sequential(*(TransformerBlock(width, heads, hidden) for _ in range(blocks)))
        self.outgoing = nn.Linear(width, channels)

    def forward(self, x: Tensor) -> Tensor:
        count, _, height, width = x.shape
        rows, columns = (
            2 * torch.arange(side, device=x.device, dtype=full(x).dtype) / max(side - 1, 1) - 1
            for side in (height, width)
        )
        grid = torch.stack(torch.meshgrid(rows, columns, indexing="ij"), -1).flatten(0, 1)
        places = self.place(grid).sin().expand(count, -1, -1)
        tokens = rearrange(x, "n c h w -> n (h w) c")
        tokens = self.blocks(self.incoming(torch.cat([places, tokens], 2)))
        return rearrange(self.outgoing(tokens), "n (h w) c -> n c h w", h=height)


class Convolutions(nn.Module):
    """Twice a norm, a 3x3 convolution and a leaky ReLU: (N, incoming, H, W) -> (N, outgoing, H, W)."""

    def __init__(self, incoming: int, middle: int, outgoing: int, norm: Norm) -> None:
        super().__init__()
        self.norms = nn.ModuleList(norm(width) for width in (incoming, middle))
        self.convs = nn.ModuleList(
            nn.Conv2d(old, new, 3, padding=1) for old, new in ((incoming, middle), (middle, outgoing))
        )

    def forward(self, x: Tensor) -> Tensor:
        for norm, conv in zip(self.norms, self.convs, strict=True):
            x = F.leaky_relu(conv(norm(x)), SLOPE)
        return x


class UVCGANGenerator(nn.Module):
    """UVCGAN's generator (arXiv 2203.02557): a U-Net whose bottleneck is a vision transformer over pixels.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]. Sides must be multiples of 2^downs. The
    paper's pictures have 256 px, the bottleneck 16 x 16 tokens; the cost grows with the square of their number. Inside,
    as in the paper's code, pictures are in [0, 1] and end in a sigmoid. Of oblong pictures, where that code mixes rows
    and columns up, each token has its own place.

    channels: at full size, doubled at each halving but the first. downs: halvings. norm: any that is not adaptive.
    width, heads, blocks, hidden: of the transformer: its tokens, attention heads, blocks and perceptrons.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 48,
        downs: Annotated[int, Ge(1)] = 4,
        norm: Norm = InstanceNorm,
        width: Annotated[int, Ge(1)] = 384,
        heads: Annotated[int, Ge(1)] = 6,
        blocks: Annotated[int, Ge(1)] = 12,
        hidden: Annotated[int, Ge(1)] = 1536,
    ) -> None:
        super().__init__()
        if width % heads:
            raise ValueError(f"a width of {width} does not fall into {heads} heads")
        self.in_channels = in_channels
        self.size_multiple = self.min_size = 2**downs
        widths = [channels * 2**i for i in range(downs)]
        outer = [channels, *widths[:-1]]  # what each level takes from outside and gives back
        self.first = nn.Conv2d(in_channels, channels, 3, padding=1)
        self.encoder = nn.ModuleList(
            Convolutions(out, inner, inner, norm) for out, inner in zip(outer, widths, strict=True)
        )
        self.down = nn.ModuleList(nn.Conv2d(inner, inner, 2, 2) for inner in widths)
        self.transformer = PixelTransformer(widths[-1], width, heads, blocks, hidden)
        self.up = nn.ModuleList(nn.Conv2d(inner, inner, 3, padding=1) for inner in widths)
        self.decoder = nn.ModuleList(
            Convolutions(2 * inner, inner, out, norm) for out, inner in zip(outer, widths, strict=True)
        )
        self.last = nn.Conv2d(channels, out_channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, multiple=self.size_multiple)
        x, skips = F.leaky_relu(self.first(x / 2 + 0.5), SLOPE), []
        for convolutions, down in zip(self.encoder, self.down, strict=True):
            x = convolutions(x)
            skips.append(x)
            x = down(x)
        x = self.transformer(x)
        for convolutions, up in zip(reversed(self.decoder), reversed(self.up), strict=True):  # type: ignore[call-overload]
            x = up(F.interpolate(x, scale_factor=2, mode="nearest"))
            x = convolutions(torch.cat([x, skips.pop()], 1))
        return 2 * self.last(x).sigmoid() - 1
