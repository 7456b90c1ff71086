"""The image transformation network of Johnson, Alahi and Fei-Fei (2016) for style transfer."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.layers import Conv2d, ConvNorm, ConvTranspose2d, Pad, check_image, conv
from gankit.norms.batch import BatchNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Ge, Gt, Le, Norm

OVERSHOOT = 150 / 127.5
"""How far beyond [-1, 1] the paper's scaled tanh reaches: its code works on 0..255 less a mean, with a factor 150."""


class JohnsonGenerator(nn.Module):
    """The transform network of arXiv 1603.08155: c9s1-32, d64, d128, R128 x5, u64, u32, c9s1-3, scaled tanh.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W). Sides are multiples of 4 and larger than the padding:
    the picture is reflected by 8 px for each residual block (40 px for five), once, at the input, and the residual
    blocks have no padding of their own: each trims 2 px from every side of its map, and adds its input cropped by as
    much.

    The tanh is scaled so that black and white are in its reach without saturation. Hence the picture may leave [-1, 1]
    by 18 % in training, where the losses see it as it is; in evaluation it is clamped.

    Args:
        channels: the width at full size. It is four times that at the bottleneck. The code's own models with instance
            norm have 16, which is half the paper's.
        blocks: the number of residual blocks.
        norm: any norm that is not adaptive. The paper has `batch`, and the code by default `{type: instance, affine:
            true}`.
        scale: the factor on the tanh. 1 keeps the picture in [-1, 1].

    Raises:
        ValueError: for an adaptive norm; of the forward, for a wrong number of channels or size.
    """

    size_multiple = 4
    overshoots = True
    offers: frozenset[str] = frozenset()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 32,
        blocks: Annotated[int, Ge(0), Le(1000)] = 5,
        norm: Norm = BatchNorm,
        scale: Annotated[float, Gt(0)] = OVERSHOOT,
    ) -> None:
        super().__init__()
        refuse_adaptive(norm(channels))
        self.in_channels, self.scale = in_channels, scale
        self.pad = Pad(8 * blocks, "reflect")
        self.stem = ConvNorm(partial(conv, in_channels, channels, 9, padding="zero"), norm(channels))
        self.down = nn.ModuleList(
            ConvNorm(partial(conv, width, 2 * width, 3, stride=2, padding="zero"), norm(2 * width))
            for width in (channels, 2 * channels)
        )
        self.blocks = nn.ModuleList(UnpaddedBlock(4 * channels, norm) for _ in range(blocks))
        self.up = nn.ModuleList(fractional(width, width // 2, norm) for width in (4 * channels, 2 * channels))
        self.head = conv(channels, out_channels, 9, padding="zero")

    @property
    def min_size(self) -> int:
        """The smallest side: reflection needs one pixel more than it adds."""
        return self.pad.amount + 4

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        x = self.stem(self.pad(x))
        for layer in (*self.down, *self.blocks, *self.up):
            x = layer(x)
        return scaled_tanh(self.head(x), self.scale, self.training)


class UnpaddedBlock(nn.Module):
    """crop(x) + norm(conv(relu(norm(conv(x))))), 3x3 convolutions without padding: (N, C, H, W) -> (N, C, H-4, W-4)."""

    def __init__(self, channels: int, norm: Callable[..., nn.Module]) -> None:
        super().__init__()
        self.first = ConvNorm(partial(Conv2d, channels, channels, 3), norm(channels))
        self.second = ConvNorm(partial(Conv2d, channels, channels, 3), norm(channels), relu=False)

    def forward(self, x: Tensor) -> Tensor:
        return x[:, :, 2:-2, 2:-2] + self.second(self.first(x))


def fractional(channels: int, out_channels: int, norm: Callable[..., nn.Module]) -> ConvNorm:
    """A convolution of stride 1/2 (transposed, 3x3), its norm and a ReLU: twice the size."""
    up = partial(ConvTranspose2d, channels, out_channels, 3, stride=2, padding=1, output_padding=1)
    return ConvNorm(up, norm(out_channels))


def scaled_tanh(x: Tensor, scale: float, training: bool) -> Tensor:
    """scale * tanh(x); clamped to [-1, 1] outside of training, where a clamp would stop gradients."""
    y = scale * torch.tanh(x)
    return y if training or scale <= 1 else y.clamp(-1, 1)


def refuse_adaptive(norm: nn.Module) -> None:
    """Raise a ValueError for a norm that takes a style."""
    if is_adaptive(norm):
        raise ValueError(f"this generator has no style to give to the adaptive norm {type(norm).__name__}")
