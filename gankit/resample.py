"""Enlarging and shrinking of batches of pictures, on any device."""

from __future__ import annotations

import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.precision import full, without_autocast


def enlarge(x: Tensor, factor: int) -> Tensor:
    """(N, C, H, W) -> (N, C, factor*H, factor*W), bicubic with PIL's and MATLAB's a = -0.5."""
    height, width = x.shape[-2:]
    # with `antialias` torch takes PIL's filter; it smooths nothing in enlarging
    large = F.interpolate(full(x), size=(factor * height, factor * width), mode="bicubic", antialias=True)
    return large.to(x.dtype)


def shrink(x: Tensor, factor: int, antialias: bool = True) -> Tensor:
    """(N, C, H, W) -> (N, C, H/factor, W/factor), bicubic; with `antialias` PIL's filter, else points of torch's.

    Raises ValueError where a side is no multiple of the factor.
    """
    height, width = x.shape[-2:]
    if height % factor or width % factor:
        raise ValueError(f"sides must be multiples of {factor} to be shrunk {factor} times, not {width} x {height} px")
    size = (height // factor, width // factor)
    return F.interpolate(full(x), size=size, mode="bicubic", antialias=antialias, align_corners=False).to(x.dtype)


def blur(x: Tensor, sigma: float) -> Tensor:
    """(N, C, H, W) blurred by a Gaussian of `sigma` pixels, cut at three of them; edges are repeated. 0: unchanged."""
    if sigma == 0:
        return x
    radius = max(1, round(3 * sigma))
    offset = torch.arange(-radius, radius + 1, dtype=torch.float32, device=x.device)
    kernel = torch.exp(-offset.square() / (2 * sigma**2))
    kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
    padded = F.pad(full(x), (radius,) * 4, mode="replicate")
    with without_autocast(x):
        rows = F.conv2d(padded, kernel, groups=x.shape[1])
        return F.conv2d(rows, kernel.transpose(2, 3), groups=x.shape[1]).to(x.dtype)
