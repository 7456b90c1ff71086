"""VGG-16 and VGG-19."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import ClassVar, Literal

from torch import nn

from gankit.backbones.chain import Chain, Steps, conv
from gankit.backbones.normalize import Normalization

Pooling = Literal["max", "average"]


def steps(blocks: Sequence[int], pooling: Pooling) -> Steps:
    """The layers of a VGG: so many convolutions 3 x 3 in each block, each with a ReLU, and a pooling after them."""
    layers, channels = [], 3
    pool = nn.MaxPool2d if pooling == "max" else nn.AvgPool2d
    for block, (convs, width) in enumerate(zip(blocks, (64, 128, 256, 512, 512), strict=True), 1):
        for number in range(1, convs + 1):
            layers.append((f"conv{block}_{number}", partial(conv, channels, width, 3, padding=1)))
            layers.append((f"relu{block}_{number}", nn.ReLU))
            channels = width
        layers.append((f"pool{block}", partial(pool, 2)))
    return layers


class VGG16(Chain):
    """VGG-16 (arXiv 1409.1556) up to its last pooling, without batch norm.

    forward: pictures (N, 3, H, W) in [-1, 1], layers -> Features, each (N, C, h, w). Layers: conv1_1, relu1_1, ...,
    conv5_3, relu5_3, and pool1 to pool5.

    Args:
        layers: which layers are wanted; the network is built as deep as the deepest of them.
        weights: `pretrained` (torchvision's), `random`, or a path; see docs/weights.md.
        normalize: what the weights expect; see `gankit.backbones.normalize`.
        pooling: `max`, or `average`, which Gatys et al. found to be better for painting (arXiv 1508.06576).
    """

    network: ClassVar[str] = "vgg16"
    blocks: ClassVar[tuple[int, ...]] = (2, 2, 3, 3, 3)
    suggested: ClassVar = {"content": ("relu2_2",), "style": ("relu1_2", "relu2_2", "relu3_3", "relu4_3")}

    def __init__(
        self,
        layers: Sequence[str],
        *,
        weights: str = "pretrained",
        normalize: Normalization = "imagenet",
        pooling: Pooling = "max",
    ) -> None:
        super().__init__(layers, steps(self.blocks, pooling), weights, normalize, (pooling,))


class VGG19(VGG16):
    """VGG-19 (arXiv 1409.1556) up to its last pooling, without batch norm.

    forward: pictures (N, 3, H, W) in [-1, 1], layers -> Features, each (N, C, h, w). Layers: conv1_1, relu1_1, ...,
    conv5_4, relu5_4, and pool1 to pool5.

    Args:
        layers: which layers are wanted. The network is built as deep as the deepest of them.
        weights: `pretrained` (torchvision's), `random`, or a path; see docs/weights.md.
        normalize: what the weights expect; see `gankit.backbones.normalize`.
        pooling: `max` or `average`, see `VGG16`.
    """

    network: ClassVar[str] = "vgg19"
    blocks: ClassVar[tuple[int, ...]] = (2, 2, 4, 4, 4)
    suggested: ClassVar = {
        "content": ("relu4_2",),
        "style": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    }
