"""SqueezeNet 1.1."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar

import torch
from torch import Tensor, nn

from gankit.backbones.chain import Chain, Steps, conv
from gankit.backbones.normalize import Normalization


class Fire(nn.Module):
    """(N, inputs, h, w) -> (N, 2 * expand, h, w): squeezed by a 1 x 1, expanded by a 1 x 1 and a 3 x 3."""

    def __init__(self, inputs: int, squeeze: int, expand: int) -> None:
        super().__init__()
        self.squeeze = conv(inputs, squeeze, 1)
        self.expand1x1 = conv(squeeze, expand, 1)
        self.expand3x3 = conv(squeeze, expand, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.squeeze(x).relu()
        return torch.cat([self.expand1x1(x), self.expand3x3(x)], 1).relu()


POOL = partial(nn.MaxPool2d, 3, 2, ceil_mode=True)
STEPS: Steps = (
    ("conv1", partial(conv, 3, 64, 3, stride=2)),
    ("relu1", nn.ReLU),
    ("pool1", POOL),
    ("fire2", partial(Fire, 64, 16, 64)),
    ("fire3", partial(Fire, 128, 16, 64)),
    ("pool3", POOL),
    ("fire4", partial(Fire, 128, 32, 128)),
    ("fire5", partial(Fire, 256, 32, 128)),
    ("pool5", POOL),
    ("fire6", partial(Fire, 256, 48, 192)),
    ("fire7", partial(Fire, 384, 48, 192)),
    ("fire8", partial(Fire, 384, 64, 256)),
    ("fire9", partial(Fire, 512, 64, 256)),
)


class SqueezeNet(Chain):
    """SqueezeNet 1.1 (arXiv 1602.07360, the form of torchvision) without its classifier.

    forward: pictures (N, 3, H, W) in [-1, 1], layers -> Features, each (N, C, h, w). Layers: conv1, relu1, pool1,
    fire2, fire3, pool3, fire4, fire5, pool5, fire6 to fire9; and slice1 to slice7, LPIPS's names of seven of them.

    Args:
        layers: which layers are wanted; the network is built as deep as the deepest of them.
        weights: `pretrained` (torchvision's), `random`, or a path; see docs/weights.md.
        normalize: what the weights expect; see `gankit.backbones.normalize`.
    """

    network: ClassVar[str] = "squeezenet"
    aliases: ClassVar[dict[str, str]] = {
        f"slice{i}": name for i, name in enumerate(("relu1", "fire3", "fire5", "fire6", "fire7", "fire8", "fire9"), 1)
    }
    suggested: ClassVar = {"content": ("fire5",), "style": ("relu1", "fire3", "fire5", "fire7", "fire9")}

    def __init__(
        self, layers: Sequence[str], *, weights: str = "pretrained", normalize: Normalization = "imagenet"
    ) -> None:
        super().__init__(layers, STEPS, weights, normalize)
