"""U-GAT-IT's generator."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar

from torch import nn

from gankit.attention.cam import CAM
from gankit.conditions import ANY
from gankit.generators.style import StyleHead
from gankit.generators.trunk import ResidualGenerator, ResidualImage
from gankit.layers import Conv2d, ConvNorm, Pad, ResidualBlock, conv
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.instance import InstanceNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Attention, Ge, Le, Norm


class UGATITGenerator(ResidualGenerator):
    """U-GAT-IT's generator: encoder blocks, class activation attention, adaptive decoder blocks.

    (N, in_channels, H, W) in [-1, 1] -> Translated(image (N, out_channels, H, W) in [-1, 1], attention (N, 1, H/4, W/4)
    in [0, 1], logits (N, 2)); a plain image without an attention head. Sides must be multiples of 4 and at least 8; the
    full form (`light=False`) takes only image_size x image_size.

    Args:
        channels: the width at full size. It is four times that at the bottleneck.
        blocks: the number of residual blocks in the encoder. There are as many in the decoder.
        light: whether the perceptron that makes gamma and beta sees only the average of each channel, not the whole
            map. It has 10.6 million parameters then, instead of 279 million at 256 px. The paper's default is the full
            form.
        image_size: the side of the images in pixels, which only the full form needs.
        norm: the norm of the decoder blocks, adaptive or not.
        encoder_norm: the norm of the encoder.
        decoder_norm: the norm of the two doublings.
        attention: the attention head between encoder and decoder.
        residual_image: whether the network draws what is added to the image before the tanh, not the result itself
            (arXiv 1612.05363). The generator then nearly copies its input from the first step on, and need not learn
            what stays the same. With `gated` it also draws, for each pixel, how much of the image is let go first
            (compare the masks of arXiv 1807.09251). It can then put something else in a place, where it otherwise
            has to draw the exact negative of what was there.

    Raises:
        ValueError: an adaptive encoder_norm or decoder_norm, residual_image with other channels of the result; in the
            forward, a wrong number of channels or size.

    Paper: arXiv 1907.10830. As in the official PyTorch code, there are no biases except in the CAM's convolution (the
    TensorFlow code has them), and gamma is used without "+1".
    """

    passes_on: ClassVar[Mapping[str, tuple[str, ...]]] = {
        **ResidualGenerator.passes_on,
        "encoder_norm": (ANY,),
        "decoder_norm": (ANY,),
    }

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        blocks: Annotated[int, Ge(1), Le(1000)] = 4,
        light: bool = True,
        image_size: Annotated[int, Ge(8), Le(32_768)] = 256,
        norm: Norm = AdaLIN,
        encoder_norm: Norm = InstanceNorm,
        decoder_norm: Norm = LIN,
        attention: Attention | None = CAM,
        residual_image: ResidualImage = False,
    ) -> None:
        super().__init__()
        if not light and image_size % 4:
            raise ValueError(f"image_size must be a multiple of 4; got {image_size}")
        wide = 4 * channels
        for name, factory in (("encoder_norm", encoder_norm), ("decoder_norm", decoder_norm)):
            if is_adaptive(factory(wide)):
                raise ValueError(f"{name} cannot be adaptive: gamma and beta are known only in the decoder's blocks")
        unit = partial(ConvNorm, bias=False)
        block = partial(ResidualBlock, bias=False)

        self.in_channels = in_channels
        self.middle = blocks
        self.fixed_size = None if light else image_size
        self.pad = Pad(3, "reflect")
        self.stem = unit(partial(Conv2d, in_channels, channels, 7), encoder_norm(channels))
        self.down = nn.ModuleList(
            unit(partial(conv, width, 2 * width, 3, stride=2), encoder_norm(2 * width))
            for width in (channels, 2 * channels)
        )
        self.after_down = nn.Identity()
        self.blocks = nn.ModuleList(
            [block(wide, encoder_norm) for _ in range(blocks)] + [block(wide, norm) for _ in range(blocks)]
        )
        self.attention = attention(wide) if attention is not None else None
        side = None if light else image_size // 4
        self.style = StyleHead(wide, side=side) if is_adaptive(norm(wide)) else None
        self.up = nn.ModuleList(
            unit(partial(_enlarged, width), decoder_norm(width // 2)) for width in (wide, 2 * channels)
        )
        self.head = (
            self.draws_residual(out_channels, channels, residual_image)
            if residual_image
            else conv(channels, out_channels, 7, bias=False)
        )
        self.settle()


def _enlarged(channels: int, *, bias: bool) -> nn.Module:
    return nn.Sequential(nn.Upsample(scale_factor=2), conv(channels, channels // 2, 3, bias=bias))
