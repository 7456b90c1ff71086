"""The widespread variant of the style-transfer network: that of pytorch/examples."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Annotated, Any

from torch import Tensor, nn

from gankit.generators.johnson import refuse_adaptive
from gankit.layers import ConvNorm, ResidualBlock, check_image, conv
from gankit.norms.instance import InstanceNorm
from gankit.slots import Ge, Le, Norm

Width = Annotated[int, Ge(1)]


class FastStyleGenerator(nn.Module):
    """The network of pytorch/examples' fast_neural_style, after arXiv 1603.08155.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W). It differs from the paper's (`johnson`): reflection
    padding in every convolution, nearest-neighbour enlarging before a convolution in place of a fractional stride,
    instance norm with scale and offset, no tanh. Inside it works on 0..255, so that weights of the many nets that were
    trained with that code fit. Its picture is not bounded in training; in evaluation it is clamped to [-1, 1], as that
    code clamps what it saves.

    The forward takes any size of at least 5 px and rounds sides up to multiples of 4, as the reference does;
    `translate` pads beforehand and crops, so that the size stays.

    Args:
        channels: the width at full size. It doubles at each of the two halvings. A list gives all three widths instead.
        blocks: the number of residual blocks.
        norm: any norm that takes no style.

    Raises:
        ValueError: for an adaptive norm; of the forward, for a wrong number of channels or size.
    """

    size_multiple = 4
    min_size = 8
    overshoots = True
    offers: frozenset[str] = frozenset()

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Width | tuple[Width, Width, Width] = 32,
        blocks: Annotated[int, Ge(0), Le(1000)] = 5,
        norm: Norm = partial(InstanceNorm, affine=True),
    ) -> None:
        super().__init__()
        full, half, quarter = (channels, 2 * channels, 4 * channels) if isinstance(channels, int) else channels
        refuse_adaptive(norm(full))
        self.in_channels = in_channels
        self.stem = ConvNorm(partial(conv, in_channels, full, 9), norm(full))
        self.down = nn.ModuleList(
            ConvNorm(partial(conv, narrow, wide, 3, stride=2), norm(wide))
            for narrow, wide in ((full, half), (half, quarter))
        )
        self.blocks = nn.ModuleList(ResidualBlock(quarter, norm) for _ in range(blocks))
        self.up = nn.ModuleList(
            ConvNorm(_up(wide, narrow), norm(narrow)) for wide, narrow in ((quarter, half), (half, full))
        )
        self.head = conv(full, out_channels, 9)

    def forward(self, x: Tensor) -> Tensor:
        check_image(x, self.in_channels, minimum=5)
        x = self.stem((x + 1) * 127.5)
        for layer in (*self.down, *self.blocks, *self.up):
            x = layer(x)
        y = self.head(x) / 127.5 - 1
        return y if self.training else y.clamp(-1, 1)


def _up(channels: int, out_channels: int) -> Callable[..., nn.Module]:
    """Twice the size: each pixel four times, then a convolution."""

    def enlarged(**options: Any) -> nn.Module:
        return nn.Sequential(nn.Upsample(scale_factor=2), conv(channels, out_channels, 3, **options))

    return enlarged
