"""What networks that take holes share."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


def check_hole(x: Tensor, hole: Tensor) -> None:
    """Raise a ValueError unless the holes are (N, 1, H, W) of the size of the pictures."""
    if hole.ndim != 4 or hole.shape[1] != 1 or hole.shape[0] != x.shape[0] or hole.shape[2:] != x.shape[2:]:
        wanted = (x.shape[0], 1, *x.shape[2:])
        raise ValueError(f"the holes of pictures {tuple(x.shape)} are {wanted}; got {tuple(hole.shape)}")


def known_of(x: Tensor, hole: Tensor) -> Tensor:
    """(N, 1, H, W), 1 where the picture is known, of the picture's type. A hole is what is above 0.5."""
    return (hole <= 0.5).to(x.dtype)


def widths_of(channels: int, levels: int, widths: Sequence[int] | None) -> list[int]:
    """The width of each level: as given, or doubled from level to level up to 8 times. ValueError for a wrong count."""
    if widths is None:
        return [channels * min(2**i, 8) for i in range(levels)]
    if len(widths) != levels:
        raise ValueError(f"{len(widths)} widths are given for {levels} levels: give one for each")
    return list(widths)


def least_side(probe: nn.Module, channels: int, halvings: int) -> int:
    """The smallest picture for a network whose innermost map meets this norm: some refuse a map of one pixel."""
    try:
        with torch.no_grad():
            probe(torch.zeros(2, channels, 1, 1))
    except ValueError:
        return 2 ** (halvings + 1)
    return 2**halvings
