"""CycleGAN's residual generator."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Literal

from torch import nn

from gankit.contracts import NormContract
from gankit.generators.style import StyleHead
from gankit.generators.trunk import ResidualGenerator, ResidualImage
from gankit.layers import (
    BlurDown,
    BlurUp,
    Conv2d,
    ConvNorm,
    ConvTranspose2d,
    Geometry,
    Pad,
    Padding,
    ResidualBlock,
    SameConvTranspose2d,
    conv,
)
from gankit.norms.instance import InstanceNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Attention, Ge, Le, Norm

Down = Literal["strided", "antialiased"]
Up = Literal["transposed", "nearest", "antialiased"]


class ResnetGenerator(ResidualGenerator):
    """CycleGAN's generator: two halvings, residual blocks, two doublings.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]; with an attention head `Translated(image,
    attention (N, 1, H/4, W/4) in [0, 1] or None, logits or None)`. Sides must be multiples of 4 and at least 8.

    An attention head sits after the first half of the blocks. With an adaptive norm the blocks of the second half take
    their scale and offset from a perceptron on the features there, which is U-GAT-IT's in its light form. The other
    layers have no style to take. Those before use an instance norm, and the doublings use the norm's companion (`lin`
    for `adalin`).

    Args:
        channels: the width at full size. It is four times that at the bottleneck.
        blocks: the number of residual blocks. The paper takes 6 at 128 px, and 9 from 256 px on.
        norm: any norm, adaptive ones too.
        padding: how the residual blocks are padded.
        dropout: whether half of the features inside the residual blocks are dropped in training.
        attention: an attention head at the bottleneck.
        down: how sizes are halved. `strided` is by strided convolutions. `antialiased`, as in CUT, is by convolutions
            and a blur.
        up: how sizes are doubled. `transposed` is by transposed convolutions. The others enlarge in front of a
            convolution: `nearest` repeats pixels, and `antialiased`, as in CUT, enlarges smoothly.
        ends: how the first and the last convolution are padded.
        geometry: how the strided and transposed convolutions are padded. `tensorflow` does as TensorFlow's SAME, as in
            AGIT's code.
        relu_after_sum: whether the sum of each residual block is rectified, as in AGIT's code.
        residual_image: whether the network draws what is added to the image before the tanh, not the result itself
            (arXiv 1612.05363). The generator then nearly copies its input from the first step on, and need not learn
            what stays the same. With `gated` it also draws, for each pixel, how much of the image is let go first
            (compare the masks of arXiv 1807.09251). It can then put something else in a place, where it otherwise
            has to draw the exact negative of what was there.

    Raises:
        ValueError: residual_image with other channels of the result; in the forward, a wrong number of channels or
            size.

    Papers: arXiv 1703.10593 (CycleGAN), 2007.15651 (CUT), 1806.02311 (AGIT: channels 32, affine instance norm, zero
    padding, `tensorflow` geometry, `relu_after_sum`). The code pads the residual blocks and the two ends by reflection,
    the rest by zeros.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        blocks: Annotated[int, Ge(0), Le(1000)] = 9,
        norm: Norm = InstanceNorm,
        padding: Padding = "reflect",
        dropout: bool = False,
        attention: Attention | None = None,
        down: Down = "strided",
        up: Up = "transposed",
        ends: Padding = "reflect",
        geometry: Geometry = "symmetric",
        relu_after_sum: bool = False,
        residual_image: ResidualImage = False,
    ) -> None:
        super().__init__()
        wide = 4 * channels
        probe = norm(wide)
        adaptive = is_adaptive(probe)
        if adaptive and not blocks:
            raise ValueError(f"the adaptive norm {type(probe).__name__} needs at least one residual block")
        before = InstanceNorm if adaptive else norm
        after = (NormContract(probe).companion or InstanceNorm) if adaptive else norm
        block = partial(ResidualBlock, padding=padding, dropout=dropout, relu_after_sum=relu_after_sum)

        self.in_channels = in_channels
        self.middle = blocks // 2
        self.pad = Pad(3, ends)
        self.stem = ConvNorm(partial(Conv2d, in_channels, channels, 7), before(channels))
        self.down = nn.ModuleList(
            ConvNorm(_down(down, width, geometry), before(2 * width), tapped=True) for width in (channels, 2 * channels)
        )
        self.after_down = BlurDown() if down == "antialiased" else nn.Identity()
        self.blocks = nn.ModuleList(block(wide, before if i < self.middle else norm) for i in range(blocks))
        self.attention = attention(wide) if attention is not None else None
        self.style = StyleHead(wide) if adaptive else None
        self.up = nn.ModuleList(ConvNorm(_up(up, width, geometry), after(width // 2)) for width in (wide, 2 * channels))
        self.head = (
            self.draws_residual(out_channels, channels, residual_image)
            if residual_image
            else conv(channels, out_channels, 7, padding=ends)
        )
        self.settle()


def _down(kind: Down, channels: int, geometry: Geometry) -> Callable[..., nn.Module]:
    """channels -> 2*channels at half the size, or at the same if a blur that halves it follows."""
    stride = 2 if kind == "strided" else 1
    return partial(conv, channels, 2 * channels, 3, stride=stride, padding="zero", geometry=geometry)


def _up(kind: Up, channels: int, geometry: Geometry) -> Callable[..., nn.Module]:
    """channels -> channels//2 at twice the size."""
    if kind == "transposed":
        if geometry == "tensorflow":
            return partial(SameConvTranspose2d, channels, channels // 2, 3, stride=2)
        return partial(ConvTranspose2d, channels, channels // 2, 3, stride=2, padding=1, output_padding=1)

    def enlarged(**options: Any) -> nn.Module:
        enlarge = BlurUp() if kind == "antialiased" else nn.Upsample(scale_factor=2)
        return nn.Sequential(enlarge, conv(channels, channels // 2, 3, padding="zero", **options))

    return enlarged
