"""Mean absolute differences between pictures."""

from __future__ import annotations

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.losses.shapes import same_shape
from gankit.precision import full


def mean_absolute(what: str, first: Tensor, second: Tensor) -> Tensor:
    same_shape(what, first, second)
    return F.l1_loss(full(first), full(second))


class Cycle(nn.Module):
    """Cycle consistency (arXiv 1703.10593): mean |reconstruction - source|; the paper's weight is 10.

    forward(reconstruction, source) -> scalar. Both are pictures (N, C, H, W) in [-1, 1].
    """

    def forward(self, reconstruction: Tensor, source: Tensor) -> Tensor:
        return mean_absolute("reconstruction and source", reconstruction, source)


class Identity(nn.Module):
    """Identity mapping (arXiv 1703.10593, section 5.2): mean |identity - target|, for a generator fed with its target.

    forward(identity, target) -> scalar. Both are pictures (N, C, H, W) in [-1, 1]. CycleGAN's weight is 0.5 of the
    cycle's (5), U-GAT-IT's 10.
    """

    def forward(self, identity: Tensor, target: Tensor) -> Tensor:
        return mean_absolute("identity and target", identity, target)


class L1(nn.Module):
    """Mean |output - target|, for paired pictures (pix2pix, arXiv 1611.07004, weight 100).

    forward(output, target) -> scalar. Both are pictures (N, C, H, W) in [-1, 1].
    """

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        return mean_absolute("output and target", output, target)
