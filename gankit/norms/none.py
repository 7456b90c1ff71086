"""No normalization."""

from __future__ import annotations

from torch import nn


class NoNorm(nn.Identity):
    """Leave the features as they are.

    (N, C, H, W) -> the same tensor. As in the reference code of CycleGAN (arXiv 1703.10593), convolutions in front of
    it have no bias.
    """

    conv_bias = False

    def __init__(self, channels: int) -> None:
        super().__init__()
