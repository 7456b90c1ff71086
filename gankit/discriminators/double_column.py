"""LBAM's critic: one column for what is known, one for what was filled in."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.discriminators.sizes import check_input
from gankit.fields import Field, Mask
from gankit.generators.holes import check_hole, known_of, widths_of
from gankit.norms.batch import BatchNorm
from gankit.slots import Ge, Le, Norm


class DoubleColumnDiscriminator(nn.Module):
    """Judges a picture by its known part and by its hole, each in a column of its own (arXiv 1909.00968).

    forward(x, hole): pictures (N, in_channels, H, W) in [-1, 1] and holes (N, 1, H, W), 1 = hole, -> logits (N, 1, h,
    w): one for pictures of `min_size`, 4 * 2^levels, and a map for larger ones. Inside, values are in [0, 1] and what
    a column does not see is black.

    Args:
        channels: the width of the first convolution of each column. It is doubled three times.
        levels: the number of halvings. The paper has 6, for 256 px. 5 are right for 128 px.
        widths: the width of each level, `levels` numbers in place of `channels`.
        norm: what follows each convolution but the first. The paper's gradient penalty goes through batch norm, against
            the advice of WGAN-GP (arXiv 1704.00028). `instance` keeps pictures apart.
        sigmoid: whether probabilities are returned, as the authors' code does in front of its Wasserstein loss.
    """

    takes: ClassVar[Mapping[str, Field]] = {"hole": Mask()}

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        levels: Annotated[int, Ge(1), Le(15)] = 6,
        widths: list[Annotated[int, Ge(1)]] | None = None,
        norm: Norm = BatchNorm,
        sigmoid: bool = False,
    ) -> None:
        super().__init__()
        wide = widths_of(channels, levels, widths)
        self.in_channels, self.sigmoid = in_channels, sigmoid
        self.min_size = 4 * 2**levels

        def column() -> nn.Sequential:
            layers: list[nn.Module] = []
            for i, width in enumerate(wide):
                layers.append(nn.Conv2d(wide[i - 1] if i else in_channels, width, 4, 2, 1))
                layers += [norm(width)] if i else []
                layers.append(nn.LeakyReLU(0.2))
            return nn.Sequential(*layers)

        self.known, self.filled = column(), column()
        self.head = nn.Conv2d(2 * wide[-1], 1, 4)

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        check_input("double-column discriminator", x, self.in_channels, self.min_size)
        check_hole(x, hole)
        known, unit = known_of(x, hole), (x + 1) / 2
        logits = self.head(torch.cat([self.known(unit * known), self.filled(unit * (1 - known))], 1))
        return F.sigmoid(logits) if self.sigmoid else logits
