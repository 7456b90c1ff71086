"""Losses are computed in single precision at least, whatever the networks run in."""

from __future__ import annotations

import torch
from torch import Tensor


def full(x: Tensor) -> Tensor:
    """x in float32, or as it is where it is float64: half precision overflows in squares and in long means."""
    return x if x.dtype == torch.float64 else x.float()


def same_shape(what: str, first: Tensor, second: Tensor) -> None:
    """Raise ValueError unless both tensors have one shape: broadcasting would give a number without meaning."""
    if first.shape != second.shape:
        raise ValueError(f"{what} have different shapes: {tuple(first.shape)} and {tuple(second.shape)}")
