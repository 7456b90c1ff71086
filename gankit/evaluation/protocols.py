"""How pictures are brought to the size of a feature network: a figure depends on it as much as on the network.

| name | resize | values of Inception's input | whose |
|---|---|---|---|
| `clean` | bicubic, antialiased, on floats, not rounded afterwards | (x - 128) / 128 | clean-fid (arXiv 2104.11222) |
| `legacy-pytorch` | bilinear, not antialiased | x / 127.5 - 1 | pytorch-fid |
| `legacy-tf` | TensorFlow 1's bilinear, pixels not centred | (x - 128) / 128 | the TensorFlow code, torch-fidelity |
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import torch
from torch import Tensor
from torch.nn import functional as F

ProtocolName = Literal["clean", "legacy-pytorch", "legacy-tf"]


def bicubic(x: Tensor, side: int) -> Tensor:
    """(N, C, H, W) -> (N, C, side, side), as PIL resizes pictures of floats."""
    return F.interpolate(x, (side, side), mode="bicubic", antialias=True, align_corners=False)


def bilinear(x: Tensor, side: int) -> Tensor:
    """(N, C, H, W) -> (N, C, side, side), between the four nearest pixels whatever the factor."""
    return F.interpolate(x, (side, side), mode="bilinear", align_corners=False)


def bilinear_tf1(x: Tensor, side: int) -> Tensor:
    """(N, C, H, W) -> (N, C, side, side): pixel i comes from i * in / out, so that the picture leans to its corner."""
    for dim in (2, 3):
        size = x.shape[dim]
        # in float32, as TensorFlow computes it
        place = torch.arange(side, dtype=torch.float32, device=x.device) * (size / side)
        low = place.floor().long().clamp(max=size - 1)
        high = (low + 1).clamp(max=size - 1)
        part = (place - low).to(x.dtype).view([-1 if d == dim else 1 for d in range(4)])
        near = x.index_select(dim, low)
        x = near + (x.index_select(dim, high) - near) * part
    return x


@dataclass(frozen=True)
class Protocol:
    """name, version: the version changes when the figures do. resize: (N, C, H, W), side -> (N, C, side, side).
    centred: Inception's input is (x - 128) / 128, as in its TensorFlow graph, instead of x / 127.5 - 1.
    """

    name: str
    version: int
    resize: Callable[[Tensor, int], Tensor]
    words: str
    centred: bool

    def __str__(self) -> str:
        return f"{self.name} v{self.version}: {self.words}"


PROTOCOLS: dict[str, Protocol] = {
    p.name: p
    for p in (
        Protocol("clean", 1, bicubic, "bicubic, antialiased, floats", True),
        Protocol("legacy-pytorch", 1, bilinear, "bilinear", False),
        Protocol("legacy-tf", 1, bilinear_tf1, "bilinear of TensorFlow 1", True),
    )
}
