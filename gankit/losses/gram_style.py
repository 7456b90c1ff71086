"""Likeness of style, by Gram matrices."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from gankit.backbones.vgg import VGG16
from gankit.features import FeatureLoss, Features
from gankit.losses.feature_layers import Distance, Layers, distance, open_layers
from gankit.precision import full, without_autocast
from gankit.slots import Backbone


def gram(features: Tensor) -> Tensor:
    """The Gram matrix over the places, by their number and the channels': (N, C, H, W) -> (N, C, C).

    In full precision, and scaled before the product, so that features of half precision do not overflow.
    """
    _, c, h, w = features.shape
    with without_autocast(features):
        rows = full(features).flatten(2) * (c * h * w) ** -0.5
        return torch.bmm(rows, rows.transpose(1, 2))


class GramStyle(FeatureLoss):
    """Style reconstruction (Gatys et al., arXiv 1508.06576; Johnson et al., arXiv 1603.08155).

    forward(output, style) -> scalar: the sum over layers of weight * distance of the Gram matrices F F^T / (C*H*W).
    output: pictures (N, 3, H, W) in [-1, 1], or `Features` of them. style: as many, or one for all, of any size. For
    the style of each picture's own truth, as in inpainting: `on: {style: target}`.

    Args:
        backbone: the network whose features are compared.
        layers: names of its layers, or names with weights. When they are not given, they are relu1_2, relu2_2, relu3_3
            and relu4_3 of a VGG-16, and what the class of another backbone suggests.
        distance: `l2` is squared. `l1` is what partial convolutions and LBAM have.
        reduction: how the elements of a matrix are joined. `mean` is that of pytorch/examples. `sum` is the paper's
            squared Frobenius norm, a quarter of which, with layers of weight 1/5, is that of Gatys et al. Over the
            pictures both take the mean.
    """

    compares: ClassVar[tuple[str, ...]] = ("output", "style")

    def __init__(
        self,
        backbone: Backbone = VGG16,
        layers: Layers = None,
        distance: Distance = "l2",
        reduction: Literal["mean", "sum"] = "mean",
    ) -> None:
        net, weights = open_layers(backbone, layers, "style")
        super().__init__(net, weights)
        self.weights = weights
        self.distance: Distance = distance
        self.reduction = reduction

    def forward(self, output: Tensor | Features, style: Tensor | Features) -> Tensor:
        ours, theirs = self.features(output), self.features(style)
        total = full(ours[self.layers[0]]).new_zeros(())
        for name, weight in self.weights.items():
            total = total + weight * self.compare(gram(ours[name]), gram(theirs[name]))
        return total

    def compare(self, ours: Tensor, theirs: Tensor) -> Tensor:
        """The distance of Gram matrices (N, C, C); of `theirs` there may be only one."""
        if len(theirs) not in (1, len(ours)):
            raise ValueError(
                f"there are {len(theirs)} styles for {len(ours)} pictures: give one style, or one for each picture"
            )
        apart = distance(self.distance, ours, theirs)
        return apart.mean() if self.reduction == "mean" else apart.sum((1, 2)).mean()

    def extra_repr(self) -> str:
        return f"layers={self.weights}, distance={self.distance!r}, reduction={self.reduction!r}"
