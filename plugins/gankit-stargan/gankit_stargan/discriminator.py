"""StarGAN's critic: one body, a head that judges patches, a head that names the domain (arXiv 1711.09020)."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated, NamedTuple

from torch import Tensor, nn
from torch.nn import functional as F

from gankit.discriminators import check_input
from gankit.slots import Ge


class Judged(NamedTuple):
    """What both heads say. logits: (N, 1, h, w). classes: (N, domains), before the softmax."""

    logits: Tensor
    classes: Tensor


class StarGANDiscriminator(nn.Module):
    """Judges patches, and names the domain of the whole picture.

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits (N, 1, H / 2^layers, W / 2^layers), no sigmoid, so
    that it serves any method as a critic. `heads(x)` -> `Judged`, with the logits of the domains (N, domains) beside.
    Sides below `image_size` are refused with a ValueError; of larger pictures the domain's logits are the mean over all
    places of the head.

    Convolutions 4 x 4 of stride 2, each twice as wide as the one before, leaky ReLU of slope 0.01, no norm.

    Args:
        domains: how many labels there are.
        channels: of the first convolution.
        layers: how many halvings.
        image_size: of the pictures: the domain's head is as large as what is left of them.

    Raises:
        ValueError: nothing is left of such a picture after so many halvings.

    Paper: arXiv 1711.09020, table 5.
    """

    idle = ("namer.weight",)
    """The forward alone does not use it."""

    def __init__(
        self,
        in_channels: int,
        *,
        domains: Annotated[int, Ge(2)] = 5,
        channels: Annotated[int, Ge(1)] = 64,
        layers: Annotated[int, Ge(1)] = 6,
        image_size: Annotated[int, Ge(4)] = 128,
    ) -> None:
        super().__init__()
        left = image_size // 2**layers
        if not left:
            raise ValueError(f"after {layers} halvings nothing is left of {image_size} px: set `layers` to fewer")
        self.in_channels, self.domains, self.min_size = in_channels, domains, image_size
        widths = [in_channels, *(channels * 2**i for i in range(layers))]
        self.body = nn.ModuleList(nn.Conv2d(before, width, 4, 2, 1) for before, width in pairwise(widths))
        self.head = nn.Conv2d(widths[-1], 1, 3, padding=1, bias=False)
        self.namer = nn.Conv2d(widths[-1], domains, left, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.seen(x))

    def heads(self, x: Tensor) -> Judged:
        """The two heads on one pass of the body."""
        seen = self.seen(x)
        return Judged(self.head(seen), self.namer(seen).mean((2, 3)))

    def seen(self, x: Tensor) -> Tensor:
        """What the body makes of pictures, (N, C, H / 2^layers, W / 2^layers)."""
        check_input("stargan discriminator", x, self.in_channels, self.min_size)
        for conv in self.body:
            x = F.leaky_relu(conv(x), 0.01)
        return x
