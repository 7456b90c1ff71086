"""Learned perceptual distance."""

from __future__ import annotations

from collections.abc import Callable
from importlib.util import find_spec
from pathlib import Path
from typing import ClassVar, Literal

import torch
from torch import Tensor

from gankit.backbones.alexnet import AlexNet
from gankit.backbones.chain import state_in
from gankit.backbones.squeezenet import SqueezeNet
from gankit.backbones.vgg import VGG16
from gankit.features import FeatureLoss, FeatureNet, Features
from gankit.losses.shapes import same_shape
from gankit.precision import full, without_autocast

NETS: dict[str, tuple[Callable[..., FeatureNet], tuple[str, ...]]] = {
    "vgg": (VGG16, ("relu1_2", "relu2_2", "relu3_3", "relu4_3", "relu5_3")),
    "alex": (AlexNet, ("relu1", "relu2", "relu3", "relu4", "relu5")),
    "squeeze": (SqueezeNet, ("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9")),
}
EPSILON = 1e-10
"""Added to the length of a feature vector, as in the authors' code of version 0.1.4."""


class LPIPS(FeatureLoss):
    """LPIPS (Zhang et al., arXiv 1801.03924), version 0.1: a distance of features weighted by what people see.

    forward(output, target) -> scalar, the mean of `distances(output, target)`, (N,). Both are pictures (N, 3, H, W) in
    [-1, 1] of one shape, or `Features` of them.

    Args:
        net: the network whose features are compared. The authors advise `vgg` as a loss, and `alex` as a metric.
            `squeeze` is the smallest.
        weights: the weights of that network, which are `pretrained`, `random`, or a path, see docs/weights.md. The
            weights of the heads come with the package lpips. With `random` features they stay, but mean nothing.
    """

    compares: ClassVar[tuple[str, ...]] = ("output", "target")

    def __init__(self, net: Literal["vgg", "alex", "squeeze"] = "vgg", weights: str = "pretrained") -> None:
        make, layers = NETS[net]
        super().__init__(make(layers, weights=weights), layers)
        self.net = net
        heads = state_in(f"the heads of LPIPS for {net}", heads_file(net))
        for i in range(len(layers)):
            head = heads[f"lin{i}.model.1.weight"].to(torch.get_default_device())
            self.register_buffer(f"head{i}", head.detach().clone(), persistent=False)

    def forward(self, output: Tensor | Features, target: Tensor | Features) -> Tensor:
        return self.distances(output, target).mean()

    def distances(self, output: Tensor | Features, target: Tensor | Features) -> Tensor:
        """Of each pair of pictures, (N,)."""
        ours, theirs = self.features(output), self.features(target)
        apart = []
        for i, name in enumerate(self.layers):
            same_shape(f"the features {name} of the two pictures", ours[name], theirs[name])
            difference = (unit(ours[name]) - unit(theirs[name])).square()
            with without_autocast(difference):
                head: Tensor = getattr(self, f"head{i}")
                apart.append((difference * head.to(difference.dtype)).sum(1).mean((1, 2)))
        return torch.stack(apart).sum(0)

    def extra_repr(self) -> str:
        return f"net={self.net!r}"


def unit(features: Tensor) -> Tensor:
    """Each place's vector of length 1: (N, C, h, w), in full precision.

    The shift under the root keeps the gradient finite where nothing is active.
    """
    features = full(features)
    return features / (features.square().sum(1, keepdim=True) + EPSILON**2).sqrt().add(EPSILON)


def heads_file(net: str) -> Path:
    """Where the installed package lpips has the weights of the heads. It is not imported: that would import SciPy."""
    spec = find_spec("lpips")
    if spec is None or spec.origin is None:
        raise ValueError(
            "the package lpips is not installed; it brings the weights of the heads: pip install 'gankit[lpips]'"
        )
    return Path(spec.origin).parent / "weights" / "v0.1" / f"{net}.pth"
