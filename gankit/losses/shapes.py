"""Shapes of what a loss compares."""

from __future__ import annotations

from torch import Tensor


def same_shape(what: str, first: Tensor, second: Tensor) -> None:
    """Raise ValueError unless both tensors have one shape: broadcasting would give a number without meaning."""
    if first.shape != second.shape:
        raise ValueError(f"{what} have different shapes: {tuple(first.shape)} and {tuple(second.shape)}")
