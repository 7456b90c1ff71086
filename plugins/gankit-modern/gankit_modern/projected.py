"""Critics of a frozen network's features, mixed at random (Sauer et al. 2021, arXiv 2111.01007)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from itertools import pairwise
from typing import Annotated, Any, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.backbones import Timm
from gankit.discriminators import SpectralConv2d
from gankit.norms import BatchNorm
from gankit.slots import Backbone, Ge, MinLen, Norm

Projection = Literal["none", "channels", "scales"]


class Mixing(nn.Module):
    """Random projections that are never learned: features mixed over channels, then over scales.

    forward: features (N, C, h, w), the finest first, each half as large as the one before -> as many, mixed; with
    `scales` twice as large. The weights follow from `seed`.
    """

    keeps_weights = True

    def __init__(self, incoming: Sequence[int], width: int, scales: bool, seed: int) -> None:
        super().__init__()
        self.scales, last = scales, len(incoming) - 1
        widths = [width * 2**i for i in range(len(incoming))]
        with torch.random.fork_rng(devices=[]):
            torch.manual_seed(seed)
            self.channels = nn.ModuleList(nn.Conv2d(old, new, 1) for old, new in zip(incoming, widths, strict=True))
            self.outgoing = [width, *widths[:last]] if scales else widths
            up = zip(widths, self.outgoing, strict=True) if scales else ()
            self.up = nn.ModuleList(nn.Conv2d(old, new, 1) for old, new in up)
        self.requires_grad_(False)

    def forward(self, features: Sequence[Tensor]) -> list[Tensor]:
        mixed = [mix(x) for mix, x in zip(self.channels, features, strict=True)]
        if not self.scales:
            return mixed
        results: list[Tensor] = []
        for mix, x in zip(reversed(self.up), reversed(mixed), strict=True):  # type: ignore[call-overload]
            x = results[-1] + x if results else x
            results.append(mix(F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=True)))
        return results[::-1]


class ScaleCritic(nn.Module):
    """The critic of one scale: halvings, then logits. (N, incoming, h, w) -> (N, 1, h', w').

    widths: after each halving. Without any, the logits come of the features at once.
    """

    def __init__(self, incoming: int, widths: Sequence[int], norm: Norm) -> None:
        super().__init__()
        sides = [incoming, *widths]
        self.convs = nn.ModuleList(SpectralConv2d(old, new, 4, 2, 1) for old, new in pairwise(sides))
        self.norms = nn.ModuleList(norm(width) for width in widths)
        self.head = SpectralConv2d(sides[-1], 1, 4, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = F.leaky_relu(norm(conv(x)), 0.2)
        return self.head(x)


class ProjectedCritic(nn.Module):
    """Projected GAN's critic (arXiv 2111.01007): a small critic for each of several layers of a frozen network, whose
    features are mixed by random, fixed 1x1 convolutions over channels and over scales.

    forward: pictures (N, 3, H, W) in [-1, 1] of any size, or grey ones, (N, 1, H, W) -> logits (N, K) of all scales in
    one row, so that losses take their mean, as the paper's code does. Its DiffAugment stands in `train.augments`.

    backbone: whose features; its `weights: random` must be said. layers: names of the features, the finest first, each
    half as large as the one before; the last four of the backbone if not given. side: pictures are resized to
    this; 64 is quick, and enough for small pictures. projection: `none`, over `channels` (the paper's CCM), then over
    `scales` too (CCM and CSM). channels: of the finest mixed features; doubled from scale to scale, and from halving to
    halving in the critics, up to 8 x. norm: in the critics. seed: of the projections.

    Raises ValueError where features are not halved from one to the next, or are smaller than 4 px for a critic, and for
    pictures of other channels.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        backbone: Backbone = partial(Timm, model="tf_efficientnet_lite0"),
        layers: Annotated[list[str], MinLen(1)] | None = None,
        side: Annotated[int, Ge(8)] = 224,
        projection: Projection = "scales",
        channels: Annotated[int, Ge(1)] = 64,
        norm: Norm = BatchNorm,
        seed: Annotated[int, Ge(0)] = 0,
    ) -> None:
        super().__init__()
        if in_channels not in (1, 3):
            raise ValueError(
                f"a projected critic looks at pictures of 3 channels, or of one, not of {in_channels}; a critic that "
                "sees the source too needs `conditional: false` of its method"
            )
        self.in_channels, self.side = in_channels, side
        self.backbone: Any = backbone(tuple(layers or ()))
        self.layers = tuple(layers or self.backbone.default_layers[-4:])
        with torch.no_grad():
            found = self.backbone(torch.zeros(1, 3, side, side), self.layers)
        shapes = [found[name].shape for name in self.layers]
        sides = [min(shape[2:]) for shape in shapes]
        mixes = projection == "scales"
        if mixes and any(old != 2 * new for old, new in pairwise(sides)):
            raise ValueError(
                f"features of {sides} px are not halved from one to the next: choose other `layers` or `side`"
            )
        incoming = [shape[1] for shape in shapes]
        self.mixing = None if projection == "none" else Mixing(incoming, channels, mixes, seed)
        incoming = self.mixing.outgoing if self.mixing else incoming
        sides = [2 * side for side in sides] if mixes else sides
        if min(sides) < 4:
            raise ValueError(f"the smallest features have {min(sides)} px, and a critic needs 4: make `side` larger")
        self.critics = nn.ModuleList(
            ScaleCritic(width, widths(size, channels), norm) for width, size in zip(incoming, sides, strict=True)
        )

    def forward(self, x: Tensor) -> Tensor:
        logits = [critic(features) for critic, features in zip(self.critics, self.seen(x), strict=True)]
        return torch.cat([scale.flatten(1) for scale in logits], 1)

    def seen(self, x: Tensor) -> list[Tensor]:
        """What the critics are given, the finest first."""
        if x.ndim != 4 or x.shape[1] != self.in_channels:
            raise ValueError(f"expected a batch of shape (N, {self.in_channels}, H, W); got {tuple(x.shape)}")
        x = F.interpolate(x, (self.side, self.side), mode="bilinear", align_corners=False).expand(-1, 3, -1, -1)
        found = self.backbone(x, self.layers)
        features = [found[name] for name in self.layers]
        return self.mixing(features) if self.mixing else features

    def extra_repr(self) -> str:
        return f"layers={self.layers}, side={self.side}"


def widths(side: int, channels: int) -> list[int]:
    """Of the halvings that leave 4 to 7 px: the last is 8 x as wide."""
    count = 0
    while side >> count >= 8:
        count += 1
    return [channels * max(8 >> (count - 1 - i), 1) for i in range(count)]
