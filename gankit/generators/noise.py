"""What generators of pictures from noise share."""

from __future__ import annotations

from torch import Tensor


def check_noise(x: Tensor, channels: int) -> None:
    """Raise a ValueError unless x is (N, channels, 1, 1)."""
    if x.ndim != 4 or x.shape[1:] != (channels, 1, 1):
        raise ValueError(f"expected noise of shape (N, {channels}, 1, 1); got {tuple(x.shape)}")
