"""The VGG-16 that stands in for ImageNet's in golden cases: its weights follow from a formula (INDEX.md)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from math import sqrt

import numpy as np
import torch
from torch import Tensor, nn

from gankit.backbones.normalize import Normalization
from gankit.backbones.vgg import VGG16


def noise(count: int, number: int) -> Tensor:
    """`count` numbers in [-1, 1), in double precision, of a hash of their place and `number`."""
    u = np.arange(1, count + 1, dtype=np.uint64) + np.uint64(number * 1_000_003)
    u &= np.uint64(0xFFFFFFFF)
    for _ in range(2):
        u = ((u ^ (u >> np.uint64(16))) * np.uint64(0x45D9F3B)) & np.uint64(0xFFFFFFFF)
    u ^= u >> np.uint64(16)
    return torch.from_numpy(u.astype(np.float64) / 2**31 - 1)


@torch.no_grad()
def formula_vgg(layers: Sequence[str], normalize: Normalization = "imagenet") -> VGG16:
    """gankit's VGG-16, as deep as these layers need, with the formula's weights."""
    net = VGG16(tuple(layers), weights="random", normalize=normalize)
    for number, conv in enumerate(m for m in net.modules() if isinstance(m, nn.Conv2d)):
        fan_in = conv.weight[0].numel()
        drawn = sqrt(6 / fan_in) * noise(conv.weight.numel(), number)
        conv.weight.copy_(drawn.view_as(conv.weight))
        assert conv.bias is not None
        conv.bias.copy_(0.05 * noise(len(conv.bias), number + 100))
    return net


def factory(normalize: Normalization = "imagenet") -> partial[VGG16]:
    """For the `backbone` of a loss."""
    return partial(formula_vgg, normalize=normalize)
