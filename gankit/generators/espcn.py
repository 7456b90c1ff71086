"""ESPCN: super-resolution by pixel shuffle (Shi et al. 2016)."""

from __future__ import annotations

from math import sqrt
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.layers import check_image, conv
from gankit.resample import enlarge
from gankit.slots import Ge, Le

Y, CB, CR = (0.299, 0.587, 0.114), (-0.168736, -0.331264, 0.5), (0.5, -0.418688, -0.081312)
"""JPEG's luma and colour differences of RGB (ITU-R BT.601, full range), as PIL converts."""


class ESPCNGenerator(nn.Module):
    """The sub-pixel network of arXiv 1609.05158, with the widths of pytorch/examples' super_resolution.

    (N, C, H, W) in [-1, 1] -> (N, C, factor*H, factor*W), C = in_channels = out_channels, of any size: convolutions 5,
    3, 3 and 3 at the small size with ReLUs between them, and factor^2 values for each pixel of the input, which are
    shuffled into place.
    Inside it works on [0, 1], as that code does. The result is not bounded in training; in evaluation it is clamped to
    [-1, 1].

    Args:
        factor: how many times larger the result is.
        channels: the width of the first two layers. The third has half of it.
        colour: how RGB pictures are enlarged. With `luma`, as in that code, the network enlarges only the luma (Y), and
            the two colour differences are enlarged bicubically. With `rgb` the network gets all three channels.

    Raises:
        ValueError: for unequal channels; of the forward, for a wrong input.
    """

    size_multiple = 1
    min_size = 1
    overshoots = True
    offers: frozenset[str] = frozenset()
    to_ycc: Tensor
    to_rgb: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        factor: Annotated[int, Ge(2), Le(64)] = 4,
        channels: Annotated[int, Ge(2)] = 64,
        colour: Literal["luma", "rgb"] = "luma",
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise ValueError(f"espcn gives the channels that it takes, not {out_channels} of {in_channels}")
        self.in_channels, self.factor = in_channels, factor
        self.luma = colour == "luma" and in_channels == 3
        width = 1 if self.luma else in_channels
        narrow = channels // 2
        layers = [
            conv(width, channels, 5, padding="zero"),
            conv(channels, channels, 3, padding="zero"),
            conv(channels, narrow, 3, padding="zero"),
            conv(narrow, width * factor**2, 3, padding="zero"),
        ]
        for layer, gain in zip(layers, (sqrt(2), sqrt(2), sqrt(2), 1.0), strict=True):
            nn.init.orthogonal_(layer.weight, gain)
        self.layers = nn.ModuleList(layers)
        ycc = torch.tensor([Y, CB, CR], device="cpu")
        self.register_buffer("to_ycc", ycc, persistent=False)
        self.register_buffer("to_rgb", torch.linalg.inv(ycc.double()).float(), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels)
        if not self.luma:
            y = self._enlarged(x)
        else:
            ycc = torch.einsum("oc,nchw->nohw", self.to_ycc.to(x.dtype), x)
            parts = [self._enlarged(ycc[:, :1]), enlarge(ycc[:, 1:], self.factor)]
            y = torch.einsum("oc,nchw->nohw", self.to_rgb.to(x.dtype), torch.cat([p.to(x.dtype) for p in parts], 1))
        return y if self.training else y.clamp(-1, 1)

    def _enlarged(self, x: Tensor) -> Tensor:
        h = (x + 1) / 2
        for layer in self.layers[:-1]:
            h = F.relu(layer(h))
        return F.pixel_shuffle(self.layers[-1](h), self.factor) * 2 - 1
