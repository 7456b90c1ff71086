"""Differences between pictures, pixel by pixel."""

from __future__ import annotations

from typing import Annotated, Literal

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.losses.shapes import same_shape
from gankit.precision import full
from gankit.slots import Gt


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


class Pixel(nn.Module):
    """Mean distance of output and target, pixel by pixel.

    forward(output, target) -> scalar. Both are pictures (N, C, H, W) in [-1, 1].

    Args:
        distance: `l1` is |x|. `l2` is x^2, the pixel loss of arXiv 1603.08155. `charbonnier` is sqrt(x^2 + eps^2), an
            |x| that is smooth at 0 (10.1109/ICIP.1994.413553; for super-resolution arXiv 1704.03915).
        eps: how smooth `charbonnier` is at 0.
    """

    def __init__(
        self, distance: Literal["l1", "l2", "charbonnier"] = "l1", eps: Annotated[float, Gt(0)] = 1e-3
    ) -> None:
        super().__init__()
        self.distance = distance
        self.eps = eps

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if self.distance == "l1":
            return mean_absolute("output and target", output, target)
        same_shape("output and target", output, target)
        squared = (full(output) - full(target)).square()
        return squared.mean() if self.distance == "l2" else (squared + self.eps**2).sqrt().mean()

    def extra_repr(self) -> str:
        return f"distance={self.distance!r}" + (f", eps={self.eps}" if self.distance == "charbonnier" else "")
