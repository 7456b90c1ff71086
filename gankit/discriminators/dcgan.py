"""DCGAN's discriminator."""

from __future__ import annotations

from functools import partial
from itertools import pairwise
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.discriminators.sizes import check_input
from gankit.generators.dcgan import levels
from gankit.layers import Conv2d, ConvNorm
from gankit.norms.batch import BatchNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Ge, Le, Norm


class DCGANDiscriminator(nn.Module):
    """DCGAN's discriminator: 4x4 convolutions with stride 2 and leaky ReLUs, down to one logit for the whole picture.

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits (N, 1, 1, 1), no sigmoid; larger pictures than
    `image_size` give a map of logits, one for each window of that size. Smaller ones are refused with a ValueError.

    Args:
        channels: the width of the first convolution. Each following one doubles it.
        image_size: the side of the pictures in pixels, a power of two of at least 8.
        widest: the largest width of a layer, as a multiple of `channels`.
        norm: what follows all convolutions but the first and the last. Any norm that is not adaptive will do.

    Raises:
        ValueError: another image_size; an adaptive norm.

    Paper: arXiv 1511.06434, which has 64 px.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        image_size: Annotated[int, Ge(8), Le(32_768)] = 64,
        widest: Annotated[int, Ge(1), Le(1024)] = 8,
        norm: Norm = BatchNorm,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.image_size = self.min_size = image_size
        widths = [channels * min(2**i, widest) for i in range(levels(image_size))]
        if is_adaptive(probe := norm(channels)):
            raise ValueError(
                f"the dcgan discriminator has no style to give to the adaptive norm {type(probe).__name__}; "
                "take another"
            )
        self.first = nn.Conv2d(in_channels, channels, 4, 2, 1, bias=False)
        self.layers = nn.ModuleList(
            ConvNorm(partial(Conv2d, before, width, 4, 2, 1), norm(width), activation=leaky)
            for before, width in pairwise(widths)
        )
        self.head = nn.Conv2d(widths[-1], 1, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        check_input("dcgan discriminator", x, self.in_channels, self.min_size)
        x = leaky(self.first(x))
        for layer in self.layers:
            x = layer(x)
        return self.head(x)


leaky = partial(F.leaky_relu, negative_slope=0.2)
