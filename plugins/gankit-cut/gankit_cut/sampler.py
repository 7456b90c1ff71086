"""The head that turns features at a few places into vectors to compare (CUT, arXiv 2007.15651, section 3.2)."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn

from gankit.precision import full


class PatchSampler(nn.Module):
    """Features at chosen places as unit vectors, through a perceptron of two layers for each tap.

    forward(features, places) -> a tuple of (N, P, width), or (N, P, C) without perceptrons; vectors of length 1 (0
    where a vector was 0), in float32 at least. features: for each tap (N, C, h, w). places: for each tap the P
    positions in reading order, row * w + column; the same in all pictures of the batch.

    channels: C of each tap. width: of the perceptrons and the vectors; None: no perceptrons.
    """

    def __init__(self, channels: Sequence[int], width: int | None = 256) -> None:
        super().__init__()
        self.channels = tuple(channels)
        self.heads = nn.ModuleList(
            nn.Identity() if width is None else nn.Sequential(nn.Linear(c, width), nn.ReLU(), nn.Linear(width, width))
            for c in self.channels
        )

    def forward(self, features: Sequence[Tensor], places: Sequence[Tensor]) -> tuple[Tensor, ...]:
        taps = zip(self.heads, features, places, strict=True)
        return tuple(unit(full(head(patches(x, at)))) for head, x, at in taps)

    def extra_repr(self) -> str:
        return f"channels={self.channels}"


def unit(x: Tensor) -> Tensor:
    """x / (|x| + 1e-7) along the last axis, as the paper's code has it. A vector of zeros stays, without a gradient:
    there is no direction to learn (and theirs would be NaN)."""
    length = torch.linalg.vector_norm(x, dim=-1, keepdim=True)
    return x / torch.where(length > 0, length + 1e-7, torch.inf)


def patches(features: Tensor, places: Tensor) -> Tensor:
    """(N, C, h, w) at the positions (P,) -> (N, P, C)."""
    return features.flatten(2)[:, :, places].transpose(1, 2)


def draw_places(features: Sequence[Tensor], count: int) -> tuple[Tensor, ...]:
    """For each tap (N, C, h, w), `count` different positions at random, or all of them where there are fewer.

    Drawn from torch's generator of the features' device.
    """
    return tuple(torch.randperm(x.shape[2] * x.shape[3], device=x.device)[:count] for x in features)
