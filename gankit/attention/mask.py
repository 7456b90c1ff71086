"""The attention network of AGIT: a soft mask over its input."""

from __future__ import annotations

import math
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.layers import Conv2d, ConvNorm, Geometry, Pad, Padding, ResidualBlock, check_image, conv
from gankit.norms.instance import InstanceNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Attended, Ge, Gt, Le, Lt, Norm

Kernel = Annotated[int, Ge(1), Le(99)]


class MaskAttention(nn.Module):
    """AGIT's attention network: two halvings, a residual block, two nearest doublings, a sigmoid.

    (N, in_channels, H, W), an image or features -> Attended(features = x * map, map (N, 1, H, W) in [0, 1], None).
    Any sides from 8 on.

    Args:
        channels: the width after the first halving. It is twice that in the middle.
        decoder_kernels: the odd sizes of the three decoder convolutions, from the smallest map to the mask. The paper
            has (3, 3, 7). The released code, by a slip in its arguments, has (1, 1, 1).
        padding: how all convolutions are padded but the second halving, which is padded with zeros.
        decoder_padding: how the decoder's convolutions are padded. The released code's padding would be zero, were they
            larger than 1x1.
        norm: any norm that is not adaptive. The code's instance norm has scale and offset.
        geometry: `tensorflow` pads the second halving as TensorFlow's SAME does, as in the released code.
        relu_after_sum: whether the sum of the residual block is rectified. The released code does so, and the paper
            does not say.
        start: what the map is, nearly everywhere, before training. The paper has 0.5. Cycle consistency pulls the map
            down from here, and near 0 the generator behind it learns nothing any more. A higher start, 0.9 say, is the
            remedy for maps that die or stay grey in short trainings. The option is gankit's own.
        sharpness: the factor on the logits of the map. The paper has 1. Where little has to change, a generator can
            make up for a map that is low. A steeper map is nearly 0 or 1, so that it says where to change. The option
            is gankit's own.

    Raises:
        ValueError: an adaptive norm, an even kernel; in the forward, a wrong number of channels or size.

    Paper: arXiv 1806.02311.
    """

    has_map = True
    has_logits = False
    min_size = 8

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 32,
        decoder_kernels: tuple[Kernel, Kernel, Kernel] = (3, 3, 7),
        padding: Padding = "reflect",
        decoder_padding: Padding = "reflect",
        norm: Norm = partial(InstanceNorm, affine=True),
        geometry: Geometry = "symmetric",
        relu_after_sum: bool = True,
        start: Annotated[float, Gt(0), Lt(1)] = 0.5,
        sharpness: Annotated[float, Gt(0)] = 1.0,
    ) -> None:
        super().__init__()
        wide = 2 * channels
        if is_adaptive(probe := norm(wide)):
            raise ValueError(f"the mask network has no style to give to the adaptive norm {type(probe).__name__}")
        first, second, last = decoder_kernels
        self.in_channels = in_channels
        self.offset, self.sharpness = math.log(start / (1 - start)), sharpness
        self.pad = Pad(3, padding)
        self.stem = ConvNorm(partial(Conv2d, in_channels, channels, 7, 2), norm(channels))
        self.down = ConvNorm(partial(conv, channels, wide, 3, stride=2, padding="zero", geometry=geometry), norm(wide))
        self.block = ResidualBlock(wide, norm, padding=padding, relu_after_sum=relu_after_sum)
        self.up = nn.ModuleList(
            [
                ConvNorm(partial(conv, wide, wide, first, padding=decoder_padding), norm(wide)),
                ConvNorm(partial(conv, wide, channels, second, padding=decoder_padding), norm(channels)),
            ]
        )
        self.head = conv(channels, 1, last, padding=decoder_padding)

    def forward(self, x: Tensor) -> Attended:
        check_image(x, self.in_channels, minimum=self.min_size)
        half = self.stem(self.pad(x))
        y = self.block(self.down(half))
        for unit, like in zip(self.up, (half, x), strict=True):
            # The size of the way down, not twice the last one: so every size of input works.
            y = unit(F.interpolate(y, size=like.shape[2:], mode="nearest"))
        mask = torch.sigmoid(self.head(y) * self.sharpness + self.offset)
        return Attended(x * mask, mask)
