"""Pictures that are several neighbouring slices of a volume, as channels (2.5-D), and the volume made of them again."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor

from gankit import DataError
from gankit.codecs import Codec


class Sliced(Codec):
    """Base of the codecs of slices. slices: how many neighbours a picture is made of, itself in the middle; odd.

    A picture is (slices * C, H, W), slice by slice; at the ends of a volume the last slice stands for what lies beyond.
    Reading raises DataError where the outermost neighbours lie beyond the volume in all of its pictures.
    """

    stacks: ClassVar[bool] = True

    def __init__(self, slices: int, low: float | None, high: float | None, units: str, outside: str) -> None:
        if slices % 2 == 0:
            raise ValueError(f"slices ({slices}) must be odd: a slice and as many neighbours on either side")
        super().__init__(low, high, units, outside)  # pyright: ignore[reportArgumentType]
        self.slices = slices

    def middle(self, pictures: Tensor) -> Tensor:
        """(N, slices * C, H, W) -> (N, C, H, W): the slice in the middle."""
        return pictures.unflatten(1, (self.slices, -1))[:, self.slices // 2]


def neighbours(volume: Tensor, slices: int) -> Tensor:
    """(S, C, H, W) -> (S, slices * C, H, W): each slice between its neighbours."""
    return neighbours_of(volume, torch.arange(len(volume)), slices)


def neighbours_of(volume: Tensor, index: Tensor, slices: int) -> Tensor:
    """The same of the slices with these numbers (N,): (N, slices * C, H, W)."""
    around = index[:, None] + torch.arange(slices) - slices // 2
    return volume[around.clamp(0, len(volume) - 1)].flatten(1, 2)


def check_enough(count: int, slices: int) -> None:
    """Raise DataError where the outermost neighbours lie beyond the volume in all of its pictures."""
    if count <= slices // 2:
        told = f"it has {count} slice{'s' * (count != 1)}, and a picture reaches {slices // 2} to either side"
        raise DataError(f"{told}: give it a whole series, or lower `slices` of the training")


def joined(pictures: Tensor, slices: int) -> Tensor:
    """(S, slices * C, H, W), of all slices in their order -> the volume (S, C, H, W).

    Each slice is the mean of all pictures that show it, `slices` of them but at the ends.
    """
    each = pictures.unflatten(1, (slices, -1))
    total, count = torch.zeros_like(each[:, 0]), torch.zeros(len(each), 1, 1, 1).to(each)
    for k in range(slices):
        offset = k - slices // 2
        seen = slice(max(0, -offset), len(each) - max(0, offset))  # the pictures whose k-th slice is in the volume
        shown = slice(max(0, offset), len(each) - max(0, -offset))
        total[shown] += each[seen, k]
        count[shown] += 1
    return total / count
