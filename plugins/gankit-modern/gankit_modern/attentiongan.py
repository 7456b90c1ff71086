"""AttentionGAN's generator: several contents, each where its mask is (Tang et al. 2019, arXiv 1911.11897)."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.layers import ConvNorm, ConvTranspose2d, Pad, ResidualBlock, check_image, conv
from gankit.norms import InstanceNorm
from gankit.slots import Ge, Norm, Translated


class AttentionGANGenerator(nn.Module):
    """AttentionGAN's generator, scheme II (arXiv 1911.11897): masks share out each pixel among contents and the source.

    (N, in_channels, H, W) in [-1, 1] -> Translated(image (N, out_channels, H, W) in [-1, 1], attention (N, 1, H, W)).
    Sides must be multiples of 4 and at least 8. CycleGAN's encoder and residual blocks are followed by two decoders:
    one draws masks - 1 pictures, one the masks, whose softmax sums to 1 at each pixel. The image is the sum of pictures
    times masks, the last picture being the source: its mask is the background. attention is what is not background.

    With the method `cyclegan`, and its losses, it is AttentionGAN; `attention_area` and others can be added.

    channels: at full size. blocks: residual ones. masks: with that of the background, 10 in the paper. norm: any that
    is not adaptive. ValueError where the result has other channels than the picture, which is then no background.
    """

    offers = frozenset({"attention"})
    size_multiple = 4
    min_size = 8

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        blocks: Annotated[int, Ge(0)] = 9,
        masks: Annotated[int, Ge(2)] = 10,
        norm: Norm = InstanceNorm,
    ) -> None:
        super().__init__()
        if in_channels != out_channels:
            raise ValueError(f"the background is the picture, and {in_channels} channels are not {out_channels}")
        self.in_channels, self.masks = in_channels, masks
        halving = partial(conv, kernel=3, stride=2, padding="zero")
        self.encoder = nn.Sequential(
            ConvNorm(partial(conv, in_channels, channels, 7), norm(channels)),
            *(ConvNorm(partial(halving, width, 2 * width), norm(2 * width)) for width in (channels, 2 * channels)),
            *(ResidualBlock(4 * channels, norm) for _ in range(blocks)),
        )
        self.contents, self.attention = (
            nn.Sequential(*(doubling(width, norm) for width in (4 * channels, 2 * channels))) for _ in range(2)
        )
        self.pad = Pad(3, "reflect")
        self.draw = nn.Conv2d(channels, (masks - 1) * out_channels, 7)
        self.score = nn.Conv2d(channels, masks, 1)

    def forward(self, x: Tensor) -> Translated:
        check_image(x, self.in_channels, multiple=4, minimum=8)
        inner = self.encoder(x)
        drawn = self.draw(self.pad(self.contents(inner))).tanh().unflatten(1, (self.masks - 1, -1))
        shares = self.score(self.attention(inner)).softmax(1).unsqueeze(2)  # (N, masks, 1, H, W)
        pictures = torch.cat([drawn, x.unsqueeze(1)], 1)
        return Translated((shares * pictures).sum(1), 1 - shares[:, -1])

    def extra_repr(self) -> str:
        return f"masks={self.masks}"


def doubling(channels: int, norm: Norm) -> ConvNorm:
    make = partial(ConvTranspose2d, channels, channels // 2, 3, stride=2, padding=1, output_padding=1)
    return ConvNorm(make, norm(channels // 2))
