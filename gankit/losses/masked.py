"""Losses of inpainting: of the hole or the known part alone."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn
from torch.nn import functional as F

from gankit.losses.shapes import same_shape
from gankit.precision import full


class MaskedL1(nn.Module):
    """Mean |output - target| in the hole, or in the known part (PConv, arXiv 1804.07723; LBAM, arXiv 1909.00968).

    forward(output, target, hole) -> scalar. Pictures (N, C, H, W) in [-1, 1]; hole (N, 1, H, W), 1 = hole. Weights of
    papers whose pictures are in [0, 1] must be halved.

    Args:
        region: the pixels that count. `hole` takes those of the hole, `valid` all others.
        over: what the sum is divided by. `all` divides by all pixels, as in the papers, so that small holes weigh
            little. `region` divides by the pixels that count.
    """

    def __init__(self, region: Literal["hole", "valid"] = "hole", over: Literal["all", "region"] = "all") -> None:
        super().__init__()
        self.region = region
        self.over = over

    def forward(self, output: Tensor, target: Tensor, hole: Tensor) -> Tensor:
        same_shape("output and target", output, target)
        inside = (hole > 0.5 if self.region == "hole" else hole <= 0.5).to(full(output).dtype)
        difference = (full(output) - full(target)).abs() * inside
        if self.over == "all":
            return difference.mean()
        return difference.sum() / (inside.sum() * output.shape[1]).clamp(min=1)

    def extra_repr(self) -> str:
        return f"region={self.region!r}, over={self.over!r}"


class MaskedVariation(nn.Module):
    """Total variation in the hole and the pixels that touch it (PConv, arXiv 1804.07723), where seams would show.

    forward(composite, hole) -> scalar: the mean over all pixels of the absolute differences of neighbours, down and
    across, that lie both in the hole widened by 1 px. composite: (N, C, H, W) in [-1, 1]; hole: (N, 1, H, W). The
    paper's 0.1, for pictures in [0, 1], is 0.05 here.
    """

    def forward(self, composite: Tensor, hole: Tensor) -> Tensor:
        composite = full(composite)
        near = F.max_pool2d((hole > 0.5).to(composite.dtype), 3, 1, 1)
        down = (composite[..., 1:, :] - composite[..., :-1, :]).abs() * near[..., 1:, :] * near[..., :-1, :]
        across = (composite[..., 1:] - composite[..., :-1]).abs() * near[..., 1:] * near[..., :-1]
        return (down.sum() + across.sum()) / composite.numel()
