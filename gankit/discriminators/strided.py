"""A critic of strided convolutions alone: MUNIT's, at each of its scales."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.discriminators.sizes import check_input, smallest_side
from gankit.discriminators.spectral import SpectralConv2d
from gankit.layers import Pad, Padding
from gankit.norms.none import NoNorm
from gankit.slots import Ge, Le, Norm


class StridedDiscriminator(nn.Module):
    """Judges each patch of a picture by halvings only; `multiscale` of it is MUNIT's critic (arXiv 1804.04732).

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits (N, 1, H / 2^layers, W / 2^layers), no sigmoid. Sides
    below `min_size` are refused with a ValueError.

    Convolutions 4 x 4 of stride 2, all with a bias, each twice as wide as the one before; then one of 1 x 1.

    Args:
        channels: the width of the first convolution.
        layers: the number of halvings.
        norm: what follows each convolution but the first and the last. The paper has none.
        spectral_norm: whether the weights of the strided convolutions are normalized.
        padding: how the strided convolutions are padded.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        layers: Annotated[int, Ge(1), Le(15)] = 4,
        norm: Norm = NoNorm,
        spectral_norm: bool = False,
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()
        conv = SpectralConv2d if spectral_norm else nn.Conv2d
        widths = [in_channels, *(channels * 2**i for i in range(layers))]
        self.in_channels = in_channels
        self.pad = Pad(1, padding)
        self.convs = nn.ModuleList(conv(widths[i], widths[i + 1], 4, 2) for i in range(layers))
        self.norms = nn.ModuleList(norm(width) if i else nn.Identity() for i, width in enumerate(widths[1:]))
        self.head = nn.Conv2d(widths[-1], 1, 1)
        plain = isinstance(self.norms[-1], nn.Identity)  # a norm may need more than the one pixel that is left
        self.min_size = smallest_side([2] * layers + ([] if plain else [1]), 1)

    def forward(self, x: Tensor) -> Tensor:
        check_input("strided discriminator", x, self.in_channels, self.min_size)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(self.pad(x))), 0.2)
        return self.head(x)
