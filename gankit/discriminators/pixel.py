"""The critic of single pixels."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.discriminators.sizes import check_input
from gankit.norms.instance import InstanceNorm
from gankit.norms.rules import conv_bias, normed
from gankit.slots import Ge, Norm


class PixelDiscriminator(nn.Module):
    """The 1 x 1 PatchGAN (pix2pix, arXiv 1611.07004): judges colours, not structure.

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits (N, 1, H, W), no sigmoid. Sides below 2 px are refused
    with a ValueError.

    Three convolutions 1 x 1, of channels, 2 * channels and 1 filters.

    Args:
        channels: the width of the first convolution.
        norm: what follows the second convolution. As in the reference code, with a batch norm or none neither the
            second nor the last convolution has a bias.
    """

    min_size = 2  # an instance norm needs more than one pixel

    def __init__(self, in_channels: int, *, channels: Annotated[int, Ge(1)] = 64, norm: Norm = InstanceNorm) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.norm = norm(2 * channels)
        bias = conv_bias(self.norm)
        self.first = nn.Conv2d(in_channels, channels, 1)
        self.second = nn.Conv2d(channels, 2 * channels, 1, bias=bias)
        self.head = nn.Conv2d(2 * channels, 1, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        check_input("pixel discriminator", x, self.in_channels, self.min_size)
        x = F.leaky_relu(self.first(x), 0.2)
        x = normed(self.norm, self.second(x), slope=0.2)
        return self.head(x)
