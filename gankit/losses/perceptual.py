"""Likeness of features."""

from __future__ import annotations

from typing import ClassVar

from torch import Tensor
from torch.nn import functional as F

from gankit.backbones.vgg import VGG16
from gankit.features import FeatureLoss, Features
from gankit.losses.feature_layers import Distance, Layers, distance, open_layers
from gankit.losses.shapes import same_shape
from gankit.precision import full
from gankit.slots import Backbone


class Perceptual(FeatureLoss):
    """Feature reconstruction (Johnson et al., arXiv 1603.08155): mean distance of the features of two pictures.

    forward(output, target) -> scalar: over the layers, the sum of weight * mean distance. output, target: pictures
    (N, 3, H, W) in [-1, 1] of one shape, or `Features` of them. Content of a style transfer: `on: {target: source}`.

    Args:
        backbone: the network whose features are compared.
        layers: names of its layers, or names with weights. When they are not given, it is relu2_2 of a VGG-16, and what
            the class of another backbone suggests.
        distance: `l2` is squared, and is the paper's. `l1` is what partial convolutions and LBAM have.
        normalize_features: whether the mean of each channel is taken to 0 and its deviation to 1 first, so that style
            does not count. MUNIT does so (arXiv 1804.04732), there with relu5_3 of a Caffe VGG-16.
    """

    compares: ClassVar[tuple[str, ...]] = ("output", "target")

    def __init__(
        self,
        backbone: Backbone = VGG16,
        layers: Layers = None,
        distance: Distance = "l2",
        normalize_features: bool = False,
    ) -> None:
        net, weights = open_layers(backbone, layers, "content")
        super().__init__(net, weights)
        self.weights = weights
        self.distance: Distance = distance
        self.normalize_features = normalize_features

    def forward(self, output: Tensor | Features, target: Tensor | Features) -> Tensor:
        ours, theirs = self.features(output), self.features(target)
        total = full(ours[self.layers[0]]).new_zeros(())
        for name, weight in self.weights.items():
            same_shape(f"the features {name} of the two pictures", ours[name], theirs[name])
            total = (
                total + weight * distance(self.distance, self.prepared(ours[name]), self.prepared(theirs[name])).mean()
            )
        return total

    def prepared(self, features: Tensor) -> Tensor:
        if self.normalize_features:
            return F.instance_norm(full(features), eps=1e-5)
        return features

    def extra_repr(self) -> str:
        return f"layers={self.weights}, distance={self.distance!r}, normalize_features={self.normalize_features}"
