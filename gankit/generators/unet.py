"""pix2pix's U-Net."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.generators.trunk import pick
from gankit.layers import check_image
from gankit.norms.batch import BatchNorm
from gankit.norms.rules import conv_bias, is_adaptive
from gankit.slots import Ge, Le, Norm


class UNetGenerator(nn.Module):
    """pix2pix's generator: a U-Net of 4x4 convolutions with stride 2, with a skip at every size.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]. Sides must be multiples of 2^downs.

    Args:
        channels: the width after the first halving. It is doubled three times.
        downs: the number of halvings, which is 8 for 256 px and 7 for 128 px.
        norm: any norm that is not adaptive.
        dropout: whether half of the features in the innermost decoder levels are dropped in training. This is the
            paper's only noise. The paper keeps it at test time too, by leaving the network in training mode.

    Raises:
        ValueError: an adaptive norm; in the forward, a wrong number of channels or size.

    Paper: arXiv 1611.07004; as the code, there is no norm after the first and the innermost halving.
    """

    offers: frozenset[str] = frozenset()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        downs: Annotated[int, Ge(2), Le(15)] = 8,
        norm: Norm = BatchNorm,
        dropout: bool = True,
    ) -> None:
        super().__init__()
        widths = [channels * min(2**i, 8) for i in range(downs)]
        probe = norm(widths[-1])
        if is_adaptive(probe):
            raise ValueError(
                f"the U-Net has no style to give to the adaptive norm {type(probe).__name__}; "
                "take the resnet or ugatit generator, or another norm"
            )
        self.in_channels = in_channels
        self.size_multiple = self.min_size = 2**downs
        bias = conv_bias(probe)
        levels = range(downs)
        self.down = nn.ModuleList(
            nn.Conv2d(widths[i - 1] if i else in_channels, widths[i], 4, 2, 1, bias=bias) for i in levels
        )
        self.down_norm = nn.ModuleList(norm(widths[i]) if 0 < i < downs - 1 else nn.Identity() for i in levels)
        # up[i] undoes down[i]; all but the innermost see a skip beside what comes from below.
        self.up = nn.ModuleList(
            nn.ConvTranspose2d(
                widths[i] * (1 if i == downs - 1 else 2),
                widths[i - 1] if i else out_channels,
                4,
                2,
                1,
                bias=bias or i == 0,
            )
            for i in levels
        )
        self.up_norm = nn.ModuleList(norm(widths[i - 1]) if i else nn.Identity() for i in levels)
        self.dropout = nn.Dropout(0.5 if dropout else 0.0)

    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the taps, in order: `down1`, ..., then back up to `up2`; each at the size of its name's level."""
        count = len(self.down)
        return (*(f"down{i + 1}" for i in range(count)), *(f"up{i + 1}" for i in reversed(range(1, count))))

    def features(self, x: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """The features named in `layers` (of `feature_names`), without the work that comes after the last of them."""
        self._check(x)
        return pick(self._walk(x), layers, self.feature_names)

    def forward(self, x: Tensor) -> Tensor:
        self._check(x)
        for _name, value in self._walk(x):
            x = value
        return x

    def _check(self, x: Tensor) -> None:
        check_image(x, self.in_channels, multiple=self.size_multiple)

    def _walk(self, x: Tensor) -> Iterator[tuple[str, Tensor]]:
        skips: list[Tensor] = []
        for i, (conv, norm) in enumerate(zip(self.down, self.down_norm, strict=True)):
            x = norm(conv(F.leaky_relu(x, 0.2) if i else x))
            yield f"down{i + 1}", x
            skips.append(x)
        skips.pop()
        for i in reversed(range(len(self.up))):
            x = self.up_norm[i](self.up[i](F.relu(x)))
            if 4 <= i < len(self.up) - 1:
                x = self.dropout(x)
            if i:
                yield f"up{i + 1}", x
                x = torch.cat([skips.pop(), x], 1)
        yield "image", torch.tanh(x)
