"""The PatchGAN critic."""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.discriminators.sizes import check_input, smallest_side
from gankit.discriminators.spectral import SpectralConv2d
from gankit.layers import BlurDown
from gankit.norms.instance import InstanceNorm
from gankit.norms.rules import conv_bias, normed
from gankit.slots import Ge, Le, Norm


class PatchDiscriminator(nn.Module):
    """Judges each patch of a picture (pix2pix, arXiv 1611.07004; CycleGAN, arXiv 1703.10593).

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits (N, 1, h, w), no sigmoid. Sides below `min_size` are
    refused with a ValueError.

    Of its 4 x 4 convolutions `layers` have stride 2, and two more have stride 1. Channels double at each, but never
    beyond 8 x. A patch is 16, 34, 70, 142, 286 px wide for layers 1 to 5. A conditional critic takes in_channels of
    both pictures.

    Args:
        channels: the width of the first convolution.
        layers: the number of convolutions with stride 2. The papers have 3.
        norm: what follows each convolution but the first and the last. As in the reference code, a convolution before a
            batch norm or none has no bias.
        spectral_norm: whether the weights of the convolutions are normalized too.
        padding: how many pixels of zeros pad each convolution. AGIT's released code (arXiv 1806.02311) has 2, the
            others 1.
        norm_first: whether the first convolution has a norm as well, as in AGIT's released code.
        down: how sizes are halved. `strided` is by strided convolutions. `antialiased`, as in CUT (arXiv 2007.15651),
            is by plain convolutions and a blur that halves.

    `set_norm(False)` leaves the norms out from then on, as AGIT does when its critic begins to look at masked pictures.
    """

    norm_enabled: bool

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        layers: Annotated[int, Ge(0), Le(15)] = 3,
        norm: Norm = InstanceNorm,
        spectral_norm: bool = False,
        padding: Literal[1, 2] = 1,
        norm_first: bool = False,
        down: Literal["strided", "antialiased"] = "strided",
    ) -> None:
        super().__init__()
        conv = SpectralConv2d if spectral_norm else nn.Conv2d
        widths = [in_channels, *(channels * min(2**i, 8) for i in range(max(layers, 1))), channels * min(2**layers, 8)]
        strides = [2] * max(layers, 1) + [1]
        self.in_channels = in_channels
        self.norm_enabled = True
        self.norms = nn.ModuleList(
            norm(width) if i > 0 or norm_first else nn.Identity() for i, width in enumerate(widths[1:])
        )
        blurred = down == "antialiased"
        self.convs = nn.ModuleList(
            conv(
                widths[i], widths[i + 1], 4, 1 if blurred else stride, padding, bias=i == 0 or conv_bias(self.norms[i])
            )
            for i, stride in enumerate(strides)
        )
        self.after = nn.ModuleList(BlurDown() if blurred and stride == 2 else nn.Identity() for stride in strides)
        self.head = conv(widths[-1], 1, 4, 1, padding)
        self.min_size = smallest_side([*strides, 1], padding)

    def set_norm(self, enabled: bool) -> None:
        """Use the norms, or leave them out. Their parameters stay, without gradients. Not part of the state dict."""
        self.norm_enabled = enabled

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.features(x)[0][-1])

    def features(self, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """What each layer but the last makes of the pictures, (N, C, h, w) each, for feature matching: one critic's."""
        check_input("patch discriminator", x, self.in_channels, self.min_size)
        features = []
        for conv, norm, after in zip(self.convs, self.norms, self.after, strict=True):
            x = conv(x)
            x = after(normed(norm, x, slope=0.2) if self.norm_enabled else F.leaky_relu(x, 0.2))
            features.append(x)
        return (tuple(features),)
