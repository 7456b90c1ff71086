"""Class activation attention (U-GAT-IT)."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.slots import Attended


class CAM(nn.Module):
    """Class activation attention: two one-unit classifiers, on the average and the maximum of each feature channel,
    tell the domains apart; their weights re-weight the channels, and a 1x1 convolution joins the two versions.

    (N, C, H, W) -> Attended(features (N, C, H, W), map (N, 1, H, W) in [0, 1], logits (N, 2): average, maximum).
    The map is `heatmap(features)` over its maximum in each picture, 0 everywhere if no feature is positive (the
    reference divides without a guard).

    Args:
        activation: what follows the 1x1 convolution. It is `relu` in the generator, and `leaky_relu` (slope 0.2) in the
            discriminator.

    Paper: arXiv 1907.10830; the official PyTorch code, which has two classifiers without a bias, where the TensorFlow
    code has one with a bias for both.
    """

    has_map = True
    has_logits = True
    map_of_whole = True  # the map is relative to its maximum over the picture

    def __init__(self, channels: int, *, activation: Literal["relu", "leaky_relu"] = "relu") -> None:
        super().__init__()
        self.channels, self.activation = channels, activation
        self.average = self.classifier(channels)
        self.maximum = self.classifier(channels)
        self.mix = nn.Conv2d(2 * channels, channels, 1)

    def classifier(self, channels: int) -> nn.Module:
        """Make one of the two classifiers; a subclass may normalize it."""
        return nn.Linear(channels, 1, bias=False)

    def weights(self, classifier: nn.Module) -> Tensor:
        """The weights (1, C) of a classifier that re-weight the channels."""
        assert isinstance(classifier, nn.Linear)
        return classifier.weight

    @staticmethod
    def heatmap(features: Tensor) -> Tensor:
        """The attended features (N, C, H, W) summed over the channels, (N, 1, H, W): the reference code's map."""
        return features.sum(1, keepdim=True)

    def forward(self, x: Tensor) -> Attended:
        logits = torch.cat([self.average(x.mean((2, 3))), self.maximum(x.amax((2, 3)))], 1)
        # Scaling the input channels of a convolution is scaling its weights: this spares two copies of x, and half of
        # the work.
        by_average, by_maximum = self.mix.weight.chunk(2, 1)
        average, maximum = (self.weights(c)[:, :, None, None] for c in (self.average, self.maximum))
        features = F.conv2d(x, by_average * average + by_maximum * maximum, self.mix.bias)
        features = F.relu(features) if self.activation == "relu" else F.leaky_relu(features, 0.2)
        heat = self.heatmap(features).clamp_min(0)
        peak = heat.amax((2, 3), keepdim=True)
        return Attended(features, heat / peak.clamp_min(torch.finfo(heat.dtype).tiny), logits)

    def extra_repr(self) -> str:
        return f"{self.channels}, activation={self.activation!r}"
