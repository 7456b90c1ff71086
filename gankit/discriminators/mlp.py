"""The discriminator of the first GANs: a perceptron with a few hidden layers."""

from __future__ import annotations

from itertools import pairwise
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.slots import Ge, Le, Lt, MinLen


class MLPDiscriminator(nn.Module):
    """Linear layers with leaky ReLUs on the whole picture.

    forward: pictures (N, in_channels, image_size, image_size) in [-1, 1] -> logits (N, 1), no sigmoid. Pictures of any
    other size are refused with a ValueError.

    Args:
        hidden: the widths of the hidden layers.
        image_size: the side of the pictures in pixels, any number.
        dropout: the share of hidden values that are dropped in training, after each hidden layer. With few pictures, a
            critic without dropout memorizes them, and the generator collapses.

    Paper: arXiv 1406.2661, whose discriminator for MNIST has maxout units, and dropout.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        hidden: Annotated[tuple[Annotated[int, Ge(1)], ...], MinLen(1)] = (256, 256),
        image_size: Annotated[int, Ge(1), Le(4096)] = 28,
        dropout: Annotated[float, Ge(0), Lt(1)] = 0.0,
    ) -> None:
        super().__init__()
        self.in_channels = in_channels
        self.fixed_size = self.min_size = image_size
        widths = [in_channels * image_size**2, *hidden, 1]
        self.dropout = nn.Dropout(dropout)
        self.layers = nn.ModuleList(nn.Linear(a, b) for a, b in pairwise(widths))

    def forward(self, x: Tensor) -> Tensor:
        wanted = (self.in_channels, self.fixed_size, self.fixed_size)
        if x.shape[1:] != wanted:
            raise ValueError(
                f"mlp discriminator takes pictures (N, {', '.join(map(str, wanted))}), not {tuple(x.shape)}"
            )
        x = x.flatten(1)
        for i, layer in enumerate(self.layers):
            x = layer(self.dropout(F.leaky_relu(x, 0.2)) if i else x)
        return x
