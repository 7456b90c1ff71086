"""LBAM: a U-Net for holes of any shape, with attention maps learned from the mask."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from gankit.fields import Field, Mask
from gankit.generators.holes import check_hole, known_of, least_side, widths_of
from gankit.generators.lbam_layers import (
    Activation,
    Attention,
    FixedMask,
    ForwardAttention,
    Masked,
    ReverseAttention,
    ReverseMask,
    Weighted,
)
from gankit.layers import check_image
from gankit.norms.none import NoNorm
from gankit.norms.rules import is_adaptive
from gankit.slots import Ge, Le, Norm


class LBAM(nn.Module):
    """Fills holes: a U-Net whose encoder and decoder are weighted by attention maps learned from the mask.

    forward(x, hole): pictures (N, in_channels, H, W) in [-1, 1] and holes (N, 1, H, W), 1 = to fill, -> pictures (N,
    out_channels, H, W) in [-1, 1], the known part included. The content of the holes is ignored. Sides must be
    multiples of 2^downs. Inside, values are in [0, 1] and holes are black.

    Args:
        channels: the width after the first halving. It is doubled three times.
        downs: the number of halvings. The paper has 7, for 256 px.
        widths: the width after each halving, `downs` numbers in place of `channels`.
        norm: what follows each attention but the first level's. The authors' released weights have `none`. The paper
            and the code before 2020 have `batch`.
        image: what makes the picture of the last features. It is `tanh`, or `abs`, which is |tanh| over [0, 1], as in
            the paper and the code before 2020.
        alpha: the exponent of the mask update.
        activation: the activation of the features after each attention. The paper and the code's network have
            leaky_relu. The code's layers know the others.
        attention: what makes a map of a mask's convolution. `gaussian` is the paper's asymmetric Gaussian, with four
            learned numbers in each layer. `sigmoid`, `relu` and `leaky_relu` are rows of its ablation. The mask update
            stays as it is.
        masks: whether maps and masks are `learned`, or `fixed`. Fixed ones are those of partial convolution, and a row
            of the ablation.
        reverse: whether there are reverse maps. False is another row of the ablation. The forward maps then still
            weight the skip connections, but the features from below are not weighted.

    Raises:
        ValueError: an adaptive norm, widths that are not `downs`, an attention for fixed masks; in the forward, a wrong
            number of channels or size.

    Paper: arXiv 1909.00968. As in its code, the last layer has no attention, and no convolution has a bias.
    """

    offers: frozenset[str] = frozenset()
    takes: ClassVar[Mapping[str, Field]] = {"hole": Mask()}
    idle: ClassVar[tuple[str, ...]] = ("attention.right",)  # no value of a mask is beyond mu at the beginning

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        downs: Annotated[int, Ge(2), Le(15)] = 7,
        widths: list[Annotated[int, Ge(1)]] | None = None,
        norm: Norm = NoNorm,
        image: Literal["tanh", "abs"] = "tanh",
        alpha: Annotated[float, Ge(0.1)] = 0.8,
        activation: Activation = "leaky_relu",
        attention: Attention = "gaussian",
        masks: Literal["learned", "fixed"] = "learned",
        reverse: bool = True,
    ) -> None:
        super().__init__()
        fixed = masks == "fixed"
        if fixed and attention != "gaussian":
            raise ValueError(f"fixed masks have no attention function: leave out attention, which is {attention}")
        wide = widths_of(channels, downs, widths)
        if is_adaptive(probe := norm(wide[-1])):
            raise ValueError(
                f"LBAM has no style to give to the adaptive norm {type(probe).__name__}; take another norm"
            )
        self.in_channels, self.image = in_channels, image
        self.size_multiple, self.min_size = 2**downs, least_side(probe, wide[-1], downs)
        self.encoder = nn.ModuleList(
            ForwardAttention(
                wide[i - 1] if i else in_channels + 1,
                wide[i],
                None if i else in_channels,
                norm=norm if i else NoNorm,
                activation=activation,
                attention=attention,
                alpha=alpha,
                fixed=fixed,
            )
            for i in range(downs)
        )
        self.reverse = nn.ModuleList(
            FixedMask()
            if fixed
            else ReverseMask(wide[i - 1] if i else in_channels, wide[i], attention=attention, alpha=alpha)
            for i in range(downs - 1 if reverse else 0)
        )
        # decoder[i] undoes encoder[i + 1]; all but the innermost see a skip beside what comes from below.
        self.decoder = nn.ModuleList(
            ReverseAttention(
                wide[i + 1] * (1 if i == downs - 2 else 2), wide[i], wide[i], norm=norm, activation=activation
            )
            for i in range(downs - 1)
        )
        self.head = nn.ConvTranspose2d(2 * wide[0], out_channels, 4, 2, 1, bias=False)

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        check_hole(x, hole)
        known = known_of(x, hole)
        return self.decode(self.encode((x + 1) / 2 * known, known), self.reverse_maps(known))

    def encode(self, x: Tensor, known: Tensor) -> list[Weighted]:
        """The levels of the encoder. x: (N, in_channels, H, W) in [0, 1], black in holes; known: (N, 1, H, W)."""
        features, mask, levels = torch.cat([x, known], 1), known.expand(-1, self.in_channels, -1, -1), []
        for layer in self.encoder:
            levels.append(layer(features, mask))
            features, mask = levels[-1].features, levels[-1].mask
        return levels

    def reverse_maps(self, known: Tensor) -> list[Masked]:
        """The reverse maps, from the holes on; one level less than the encoder has, or none without `reverse`."""
        mask, levels = (1 - known).expand(-1, self.in_channels, -1, -1), []
        for layer in self.reverse:
            levels.append(layer(mask))
            mask = levels[-1].mask
        return levels

    def decode(self, levels: list[Weighted], reverse: list[Masked]) -> Tensor:
        """Back to a picture (N, out_channels, H, W) in [-1, 1]."""
        x = levels[-1].features
        for i in reversed(range(len(self.decoder))):
            skip, map = levels[i].before, levels[i].map
            back = reverse[i].map if reverse else torch.ones_like(map)
            x = self.decoder[i](skip, x, torch.cat([map.expand_as(skip), back.expand_as(skip)], 1))
        x = torch.tanh(self.head(x))
        return x if self.image == "tanh" else 2 * x.abs() - 1
