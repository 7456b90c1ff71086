"""MUNIT's generator: a picture taken apart into content and style, and put together again."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from functools import partial
from itertools import pairwise
from types import MappingProxyType
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.conditions import STYLE, Conditions
from gankit.contracts import NormContract
from gankit.generators.trunk import pick
from gankit.layers import Activation, Conv2d, ConvNorm, Padding, ResidualBlock, check_image, conv
from gankit.norms.adain import AdaIN
from gankit.norms.instance import InstanceNorm
from gankit.norms.munit_layer import MUNITLayerNorm
from gankit.norms.none import NoNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Ge, Le, Norm

Taps = Iterator[tuple[str, Tensor]]
ActivationName = Literal["relu", "leaky_relu", "selu", "tanh"]
ACTIVATIONS: Mapping[str, Activation] = MappingProxyType(
    {"relu": F.relu, "leaky_relu": partial(F.leaky_relu, negative_slope=0.2), "selu": F.selu, "tanh": torch.tanh}
)


class MUNITGenerator(nn.Module):
    """MUNIT's generator: content encoder, style encoder, and a decoder that gets the style through AdaIN.

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W) in [-1, 1]: the picture decoded with its own style. In
    parts: `encode_content(x)` -> content (N, channels * 2^downs, H / 2^downs, W / 2^downs); `encode_style(x)` -> style
    (N, style_channels); `decode(content, style)` -> picture. Sides must be multiples of 2^downs and at least `min_size`
    (16 by default); only the style encoder takes any side of at least that.

    A perceptron turns the style into the scales and offsets of the decoder's residual blocks; they are used as they
    are, not added to 1. The style encoder has no norm, which would take the style away.

    Args:
        channels: the width at full size.
        downs: how many halvings the content encoder has, and how many doublings the decoder. Each halving doubles the
            width.
        blocks: how many residual blocks end the content encoder. As many begin the decoder.
        style_channels: the length of the style code.
        style_downs: how many halvings the style encoder has. The first two double the width.
        mlp_channels, mlp_layers: the width and the depth of the perceptron.
        norm: the norm of the decoder's blocks or of the content encoder. An adaptive one goes to the blocks, and its
            companion (`instance` for `adain`) to the content encoder. Any other goes to the content encoder, and the
            blocks have `adain`.
        up_norm: the norm of the decoder's doublings, which is not adaptive. It should normalize the channels together,
            because the proportions between them carry style.
        padding: how all convolutions are padded.
        activation: what follows each norm. `leaky_relu` has the slope 0.2.

    Raises:
        ValueError: an adaptive up_norm; in the forward, a wrong number of channels or size.

    Paper: arXiv 1804.04732. As in its code every convolution has a bias, and the doublings are enlarged pixels
    followed by a 5 x 5 convolution.
    """

    offers: frozenset[str] = frozenset()
    passes_on: ClassVar[Mapping[str, tuple[str, ...]]] = {"norm": STYLE}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        downs: Annotated[int, Ge(0), Le(15)] = 2,
        blocks: Annotated[int, Ge(1), Le(1000)] = 4,
        style_channels: Annotated[int, Ge(1)] = 8,
        style_downs: Annotated[int, Ge(0), Le(15)] = 4,
        mlp_channels: Annotated[int, Ge(1)] = 256,
        mlp_layers: Annotated[int, Ge(1), Le(1000)] = 3,
        norm: Norm = AdaIN,
        up_norm: Norm = MUNITLayerNorm,
        padding: Padding = "reflect",
        activation: ActivationName = "relu",
    ) -> None:
        super().__init__()
        wide, act = channels * 2**downs, ACTIVATIONS[activation]
        probe = norm(wide)
        if is_adaptive(up_norm(wide)):
            raise ValueError("the doublings of MUNIT's decoder have no style to give to an adaptive up_norm")
        plain = (NormContract(probe).companion or InstanceNorm) if is_adaptive(probe) else norm
        adaptive = norm if is_adaptive(probe) else AdaIN

        self.in_channels, self.style_channels = in_channels, style_channels
        self.size_multiple = 2**downs
        # Reflection needs 4 pixels for the first convolution, 2 at a strided one, and 2 in the residual blocks.
        self.min_size = -(-max(4, 2 * 2**downs, 2**style_downs) // 2**downs) * 2**downs
        unit = partial(ConvNorm, bias=True, activation=act)
        strided = partial(Conv2d, kernel_size=4, stride=2, padding=1, padding_mode=_mode(padding))
        block = partial(ResidualBlock, wide, padding=padding, bias=True, activation=act)

        self.style = nn.ModuleList([unit(partial(conv, in_channels, channels, 7, padding=padding), NoNorm(channels))])
        widths = [channels * min(2**i, 4) for i in range(style_downs + 1)]
        self.style.extend(unit(partial(strided, a, b), NoNorm(b)) for a, b in pairwise(widths))
        self.style_head = nn.Linear(widths[-1], style_channels)

        self.content = nn.ModuleList([unit(partial(conv, in_channels, channels, 7, padding=padding), plain(channels))])
        widths = [channels * 2**i for i in range(downs + 1)]
        self.content.extend(unit(partial(strided, a, b), plain(b)) for a, b in pairwise(widths))
        self.content_blocks = nn.ModuleList(block(plain) for _ in range(blocks))

        sizes = [style_channels, *[mlp_channels] * (mlp_layers - 1), 4 * blocks * wide]  # 2 norms a block, of 2 C
        self.mlp = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(sizes))
        self.activation = act
        self.blocks = nn.ModuleList(block(adaptive) for _ in range(blocks))
        self.up = nn.ModuleList(unit(partial(_up, a, padding), up_norm(a // 2)) for a in reversed(widths[1:]))
        self.head = conv(channels, out_channels, 7, padding=padding)

    # -- apart and together ----------------------------------------------------------------------------------------
    def encode_content(self, x: Tensor) -> Tensor:
        """What both domains share: (N, C, h, w), normalized, so that it holds little of the style."""
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        return _last(self._encode(x))

    def encode_style(self, x: Tensor) -> Tensor:
        """What this domain can vary: (N, style_channels), from a picture of any size."""
        check_image(x, self.in_channels, minimum=self.min_size)
        for unit in self.style:
            x = unit(x)
        return self.style_head(x.mean((2, 3)))

    def decode(self, content: Tensor, style: Tensor) -> Tensor:
        """The picture (N, out_channels, H, W) in [-1, 1] of a content in a style (N, style_channels)."""
        return _last(self._decode(content, style))

    def forward(self, x: Tensor) -> Tensor:
        return self.decode(self.encode_content(x), self.encode_style(x))

    def affine(self, style: Tensor) -> Tensor:
        """(N, style_channels) -> (N, norms, 2, C): the offset and the scale of each AdaIN, in this order."""
        for i, layer in enumerate(self.mlp):
            style = layer(self.activation(style) if i else style)
        return style.unflatten(1, (2 * len(self.blocks), 2, -1))

    # -- taps ------------------------------------------------------------------------------------------------------
    @property
    def feature_names(self) -> tuple[str, ...]:
        """Names of the taps, in order: `stem`, `down1`, ..., `block1`, ... (the last one is the content), then of the
        decoder `styled1`, ..., `up1`, ..."""
        return (
            "stem",
            *(f"down{i}" for i in range(1, len(self.content))),
            *(f"block{i + 1}" for i in range(len(self.content_blocks))),
            *(f"styled{i + 1}" for i in range(len(self.blocks))),
            *(f"up{i + 1}" for i in range(len(self.up))),
        )

    def features(self, x: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """The features named in `layers` (of `feature_names`), without the work that comes after the last of them."""
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        return pick(self._walk(x), layers, self.feature_names)

    def _walk(self, x: Tensor) -> Taps:
        content = x
        for name, content in self._encode(x):
            yield name, content
        yield from self._decode(content, self.encode_style(x))

    def _encode(self, x: Tensor) -> Taps:
        for i, unit in enumerate(self.content):
            x = unit(x)
            yield f"down{i}" if i else "stem", x
        for i, block in enumerate(self.content_blocks):
            x = block(x)
            yield f"block{i + 1}", x

    def _decode(self, x: Tensor, style: Tensor) -> Taps:
        affine = self.affine(style)
        for i, block in enumerate(self.blocks):
            assert isinstance(block, ResidualBlock)
            x = block(x, *(_gamma_beta(affine[:, j]) for j in (2 * i, 2 * i + 1)))
            yield f"styled{i + 1}", x
        for i, unit in enumerate(self.up):
            x = unit(x)
            yield f"up{i + 1}", x
        yield "image", torch.tanh(self.head(x))


def _last(taps: Taps) -> Tensor:
    return deque(taps, maxlen=1)[0][1]


def _gamma_beta(affine: Tensor) -> Conditions:
    return {"gamma": affine[:, 1], "beta": affine[:, 0]}


def _up(channels: int, padding: Padding, *, bias: bool) -> nn.Module:
    """channels -> channels // 2 at twice the size."""
    return nn.Sequential(nn.Upsample(scale_factor=2), conv(channels, channels // 2, 5, padding=padding, bias=bias))


def _mode(padding: Padding) -> Literal["zeros", "reflect", "replicate"]:
    return "zeros" if padding == "zero" else padding
