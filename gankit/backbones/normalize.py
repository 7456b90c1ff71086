"""What pictures in [-1, 1] become before a network that was trained on others."""

from __future__ import annotations

from typing import Literal

import torch
from torch import Tensor, nn

Normalization = Literal["imagenet", "none", "caffe"]

MEAN, STD = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1], as torchvision's networks expect them."""
CAFFE = (103.939, 116.779, 123.68)
"""The mean of ImageNet's pictures in [0, 255], in the order BGR."""


class Normalize(nn.Module):
    """(N, 3, H, W) in [-1, 1] -> what the weights expect; a picture of one channel is taken for a grey one.

    kind: `imagenet`: RGB in [0, 1], minus the mean, by the standard deviation; `none`: RGB in [0, 1] as it is; `caffe`:
    BGR in [0, 255] minus the mean, for weights converted from Caffe. mean, std: other values for `imagenet`.
    """

    scale: Tensor
    shift: Tensor

    def __init__(self, kind: Normalization, mean: tuple[float, ...] = MEAN, std: tuple[float, ...] = STD) -> None:
        super().__init__()
        self.kind = kind
        if kind == "imagenet":
            scale, shift = [0.5 / s for s in std], [(0.5 - m) / s for m, s in zip(mean, std, strict=True)]
        elif kind == "caffe":
            scale, shift = [127.5] * 3, [127.5 - m for m in CAFFE]
        else:
            scale, shift = [0.5] * 3, [0.5] * 3
        self.register_buffer("scale", torch.tensor(scale).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("shift", torch.tensor(shift).view(1, 3, 1, 1), persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        if x.ndim != 4 or x.shape[1] not in (1, 3):
            raise ValueError(f"a backbone takes pictures (N, 3, H, W), or grey ones (N, 1, H, W), not {tuple(x.shape)}")
        x = x.expand(-1, 3, -1, -1)
        if self.kind == "caffe":
            x = x.flip(1)
        return x * self.scale + self.shift

    def extra_repr(self) -> str:
        return repr(self.kind)
