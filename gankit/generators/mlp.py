"""The generator of the first GANs: a perceptron with a few hidden layers."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.generators.noise import check_noise
from gankit.slots import Ge, Le, MinLen


class MLPGenerator(nn.Module):
    """Linear layers with ReLUs, and a tanh.

    Noise (N, in_channels, 1, 1) -> (N, out_channels, image_size, image_size) in [-1, 1].

    Args:
        hidden: the widths of the hidden layers.
        image_size: the side of the pictures in pixels, any number.

    Raises:
        ValueError: in the forward, noise of another shape.

    Paper: arXiv 1406.2661, whose generator for MNIST is built like this, with other widths and a sigmoid at its end.
    """

    offers: frozenset[str] = frozenset()
    takes_noise = True
    size_multiple = min_size = 1

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (256, 256),
        image_size: Annotated[int, Ge(1), Le(4096)] = 28,
    ) -> None:
        super().__init__()
        self.in_channels, self.out_channels = in_channels, out_channels
        self.fixed_size = image_size
        widths = [in_channels, *hidden, out_channels * image_size**2]
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        check_noise(x, self.in_channels)
        x = x.flatten(1)
        for i, layer in enumerate(self.layers):
            x = layer(F.relu(x) if i else x)
        return torch.tanh(x).unflatten(1, (self.out_channels, self.fixed_size, self.fixed_size))
