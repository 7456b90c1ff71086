"""A loss that looks through a frozen network, with weights that it learns."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from gankit.features import FeatureLoss
from gankit.slots import Backbone
from pp_thermal.networks import Bands


class BandsLoss(FeatureLoss):
    """The distance in each band, weighted by its learned uncertainty (arXiv 1705.07115). -> scalar."""

    compares = ("output", "target")

    def __init__(self, backbone: Backbone = Bands) -> None:
        layers = ("fine", "middle", "coarse")
        super().__init__(backbone(layers), layers)
        self.log_variances = nn.Parameter(torch.zeros(3))

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        pairs = zip(self.features(output).values(), self.features(target).values(), strict=True)
        errors = torch.stack([(ours - theirs).square().mean() for ours, theirs in pairs])
        return (errors * (-self.log_variances).exp() + self.log_variances).sum()
