"""The residual generator of separable convolutions, every width free."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar

from torch import Tensor, nn

from gankit.conditions import ANY, Conditions
from gankit.generators.trunk import ResidualGenerator
from gankit.layers import Conv2d, ConvNorm, ConvTranspose2d, Pad, Padding, conv
from gankit.norms.instance import InstanceNorm
from gankit.norms.rules import conv_bias, is_adaptive
from gankit.slots import Attention, Ge, MinLen, Norm

Width = Annotated[int, Ge(1)]


class MobileResnetGenerator(ResidualGenerator):
    """CycleGAN's generator with separable convolutions in its residual blocks, and a width for each layer.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]; with an attention head, which sits after
    the first half of the blocks, `Translated(image, attention (N, 1, H/4, W/4) in [0, 1] or None, logits or None)`.
    Sides must be multiples of 4 and at least 8.

    With the default widths it has a sixth of the weights of `resnet`; GAN compression searches widths that are smaller
    still, and trains their weights by distillation.

    Args:
        down: channels at full size, at half and at a quarter.
        inner: channels inside each residual block. There are as many blocks as numbers.
        up: channels after the first and the second doubling.
        norm: any norm that is not adaptive.
        padding: how the residual blocks are padded.
        dropout: whether half of the features inside the residual blocks are dropped in training.
        attention: an attention head at the bottleneck.

    Raises:
        ValueError: an adaptive norm; in the forward, a wrong number of channels or size.

    Paper: arXiv 2003.08936. As in its code, the depthwise convolution is followed by a norm too, without ReLU.
    """

    passes_on: ClassVar[Mapping[str, tuple[str, ...]]] = {"attention": (ANY,)}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        down: tuple[Width, Width, Width] = (64, 128, 256),
        inner: Annotated[tuple[Width, ...], MinLen(1)] = (256,) * 9,
        up: tuple[Width, Width] = (128, 64),
        norm: Norm = InstanceNorm,
        padding: Padding = "reflect",
        dropout: bool = False,
        attention: Attention | None = None,
    ) -> None:
        super().__init__()
        if is_adaptive(probe := norm(4)):
            raise ValueError(
                f"mobile_resnet has no style to give to the adaptive norm {type(probe).__name__}; "
                "take the resnet or ugatit generator, or another norm"
            )
        first, half, wide = down
        self.in_channels = in_channels
        self.middle = len(inner) // 2
        self.pad = Pad(3, "reflect")
        self.stem = ConvNorm(partial(Conv2d, in_channels, first, 7), norm(first))
        self.down = nn.ModuleList(
            ConvNorm(partial(conv, into, out, 3, stride=2, padding="zero"), norm(out), tapped=True)
            for into, out in ((first, half), (half, wide))
        )
        self.after_down = nn.Identity()
        self.blocks = nn.ModuleList(
            SeparableBlock(wide, width, norm, padding=padding, dropout=dropout) for width in inner
        )
        self.attention = attention(wide) if attention is not None else None
        self.style = None
        self.up = nn.ModuleList(
            ConvNorm(partial(ConvTranspose2d, into, out, 3, stride=2, padding=1, output_padding=1), norm(out))
            for into, out in ((wide, up[0]), up)
        )
        self.head = conv(up[1], out_channels, 7)
        self.settle()


class Separable(nn.Module):
    """A 3x3 convolution of each channel by itself, a norm, a 1x1 convolution: (N, C, H, W) -> (N, out, H, W)."""

    def __init__(self, channels: int, out: int, norm: Norm, *, padding: Padding = "reflect", bias: bool = True) -> None:
        super().__init__()
        mode = "zeros" if padding == "zero" else padding
        between = norm(channels)
        self.depthwise = nn.Conv2d(
            channels, channels, 3, padding=1, padding_mode=mode, groups=channels, bias=conv_bias(between)
        )
        self.norm = between
        self.pointwise = nn.Conv2d(channels, out, 1, bias=bias)

    def forward(self, x: Tensor) -> Tensor:
        return self.pointwise(self.norm(self.depthwise(x)))


class SeparableBlock(nn.Module):
    """x + norm(sep(relu(norm(sep(x))))), `inner` channels wide inside; (N, C, H, W) -> the same shape."""

    def __init__(self, channels: int, inner: int, norm: Norm, *, padding: Padding, dropout: bool) -> None:
        super().__init__()
        self.first = ConvNorm(partial(Separable, channels, inner, norm, padding=padding), norm(inner))
        self.dropout = nn.Dropout(0.5) if dropout else nn.Identity()
        self.second = ConvNorm(partial(Separable, inner, channels, norm, padding=padding), norm(channels), relu=False)

    def forward(self, x: Tensor, conditions: Conditions | None = None) -> Tensor:
        del conditions  # the trunk hands them to every block; the norms here ask for none
        return x + self.second(self.dropout(self.first(x)))
