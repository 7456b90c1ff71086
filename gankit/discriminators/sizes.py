"""The smallest picture that a stack of convolutions can judge, and its refusal in words."""

from __future__ import annotations

from collections.abc import Sequence

from torch import Tensor


def smallest_side(strides: Sequence[int], padding: int, kernel: int = 4) -> int:
    """The smallest side that leaves each of these convolutions, and what stands before it, 2 pixels to work on.

    An instance norm is not defined on a single pixel, and padding by reflection needs a neighbour.
    """
    side = 2
    for stride in reversed(strides[:-1]):
        side = max(2, (side - 1) * stride + kernel - 2 * padding)
    return side


def check_input(name: str, images: Tensor, channels: int, min_size: int) -> None:
    """Raise ValueError unless images are (N, channels, H, W) with H and W of min_size at least."""
    if images.dim() != 4 or images.shape[1] != channels:
        raise ValueError(f"{name} takes pictures (N, {channels}, H, W), not {tuple(images.shape)}")
    if images.shape[2] < min_size or images.shape[3] < min_size:
        raise ValueError(
            f"{name} of this depth needs pictures of {min_size} x {min_size} px at least, not "
            f"{images.shape[2]} x {images.shape[3]}: give it larger crops, or fewer layers"
        )
