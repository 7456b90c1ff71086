"""Likeness of what a critic sees."""

from __future__ import annotations

from typing import Any

from torch import Tensor, nn

from gankit.losses.feature_layers import Distance, distance
from gankit.losses.shapes import same_shape

Seen = tuple[tuple[Tensor, ...], ...]
"""For each critic (scale), the features of its layers, (N, C, h, w) each."""


class FeatureMatching(nn.Module):
    """Feature matching (pix2pixHD, arXiv 1711.11585): the critic's features of a fake are to match the real one's.

    forward(fake_features, real_features) -> scalar: the sum over the layers of the mean distance, and of that the mean
    over the critics. Both arguments hold for each critic the tensors (N, C, h, w) of its layers, or only the layers of
    one critic. They come from `features(x)` of a discriminator. No gradient flows to the real ones. The paper's weight
    is 10.

    Args:
        distance: `l1`, which is the paper's, or `l2`.
    """

    def __init__(self, distance: Distance = "l1") -> None:
        super().__init__()
        self.distance: Distance = distance

    def forward(self, fake_features: Seen, real_features: Seen) -> Tensor:
        fakes, reals = critics(fake_features), critics(real_features)
        if [len(layers) for layers in fakes] != [len(layers) for layers in reals] or not fakes:
            raise ValueError("feature_matching compares features of the same layers of the same critics")
        total = 0
        for fake, real in zip(fakes, reals, strict=True):
            for i, (ours, theirs) in enumerate(zip(fake, real, strict=True)):
                same_shape(f"feature_matching: the features {i} of fake and real", ours, theirs)
                total = total + distance(self.distance, ours, theirs.detach()).mean()
        return total / len(fakes)  # pyright: ignore[reportReturnType]  # there is at least one layer

    def extra_repr(self) -> str:
        return f"distance={self.distance!r}"


def critics(features: Any) -> Seen:
    """Features by critic, also where those of only one were given, or of one layer."""
    if isinstance(features, Tensor):
        return ((features,),)
    return (tuple(features),) if features and isinstance(features[0], Tensor) else tuple(features)
