"""DCGAN's generator: noise to a picture of any power of two."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.generators.noise import check_noise
from gankit.layers import ConvNorm, ConvTranspose2d
from gankit.norms.batch import BatchNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Ge, Le, Norm


class DCGANGenerator(nn.Module):
    """DCGAN's generator: transposed 4x4 convolutions, each but the last with a norm and a ReLU.

    Noise (N, in_channels, 1, 1) -> (N, out_channels, image_size, image_size) in [-1, 1]. The first convolution makes
    features of 4 x 4, and each further one doubles their side.

    Args:
        channels: the width of the last layer before the picture. It doubles with each halving of the size.
        image_size: the side of the pictures in pixels, a power of two of at least 8.
        widest: the largest width of a layer, as a multiple of `channels`. 8 is what 64 px need, and it keeps networks
            for larger pictures affordable.
        norm: any norm that is not adaptive.

    Raises:
        ValueError: another image_size; an adaptive norm; in the forward, noise of another shape.

    Paper: arXiv 1511.06434, which has 64 px.
    """

    offers: frozenset[str] = frozenset()
    takes_noise = True
    size_multiple = min_size = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        image_size: Annotated[int, Ge(8), Le(32_768)] = 64,
        widest: Annotated[int, Ge(1), Le(1024)] = 8,
        norm: Norm = BatchNorm,
    ) -> None:
        super().__init__()
        doublings = levels(image_size)
        widths = [channels * min(2**i, widest) for i in reversed(range(doublings))]
        if is_adaptive(probe := norm(widths[0])):
            raise ValueError(
                f"the dcgan generator has no style to give to the adaptive norm {type(probe).__name__}; take another"
            )
        self.in_channels = in_channels
        self.fixed_size = image_size
        self.layers = nn.ModuleList()
        for i, width in enumerate(widths):
            enlarge = partial(ConvTranspose2d, widths[i - 1] if i else in_channels, width, 4, 2 if i else 1)
            self.layers.append(ConvNorm(partial(enlarge, 1 if i else 0), norm(width)))
        self.head = nn.ConvTranspose2d(widths[-1], out_channels, 4, 2, 1, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        check_noise(x, self.in_channels)
        for layer in self.layers:
            x = layer(x)
        return torch.tanh(self.head(x))


def levels(image_size: int) -> int:
    """How often 4 px double to image_size. ValueError unless it is a power of two, 8 at least."""
    if image_size < 8 or image_size & (image_size - 1):
        raise ValueError(f"image_size is a power of two, 8 at least, not {image_size}")
    return image_size.bit_length() - 3
