"""AlexNet."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

from torch import nn

from gankit.backbones.chain import Chain, Steps, conv
from gankit.backbones.normalize import Normalization

STEPS: Steps = (
    ("conv1", partial(conv, 3, 64, 11, stride=4, padding=2)),
    ("relu1", nn.ReLU),
    ("pool1", partial(nn.MaxPool2d, 3, 2)),
    ("conv2", partial(conv, 64, 192, 5, padding=2)),
    ("relu2", nn.ReLU),
    ("pool2", partial(nn.MaxPool2d, 3, 2)),
    ("conv3", partial(conv, 192, 384, 3, padding=1)),
    ("relu3", nn.ReLU),
    ("conv4", partial(conv, 384, 256, 3, padding=1)),
    ("relu4", nn.ReLU),
    ("conv5", partial(conv, 256, 256, 3, padding=1)),
    ("relu5", nn.ReLU),
    ("pool5", partial(nn.MaxPool2d, 3, 2)),
)


class AlexNet(Chain):
    """AlexNet (arXiv 1404.5997, the form of torchvision) up to its last pooling.

    forward: pictures (N, 3, H, W) in [-1, 1], layers -> Features, each (N, C, h, w). Layers: conv1, relu1, ..., conv5,
    relu5, and pool1, pool2, pool5.

    Args:
        layers: which layers are wanted; the network is built as deep as the deepest of them.
        weights: `pretrained` (torchvision's), `random`, or a path; see docs/weights.md.
        normalize: what the weights expect; see `gankit.backbones.normalize`.
    """

    network: ClassVar[str] = "alexnet"
    suggested: ClassVar = {"content": ("relu3",), "style": ("relu1", "relu2", "relu3", "relu4", "relu5")}

    def __init__(
        self, layers: Sequence[str], *, weights: str = "pretrained", normalize: Normalization = "imagenet"
    ) -> None:
        super().__init__(layers, STEPS, weights, normalize)
