"""Moving pictures about, with gradients of any order: by indices and weights that depend on no pixel."""

from __future__ import annotations

import torch
from torch import Tensor


def shifted(x: Tensor, down: Tensor, right: Tensor) -> Tensor:
    """Pictures (N, C, H, W) moved by whole pixels (N,), which may be negative; 0 where nothing was."""
    n, c, height, width = x.shape
    rows = torch.arange(height, device=x.device)[None] - down[:, None]
    columns = torch.arange(width, device=x.device)[None] - right[:, None]
    from_rows = rows.clamp(0, height - 1)[:, None, :, None].expand(n, c, height, width)
    from_columns = columns.clamp(0, width - 1)[:, None, None, :].expand(n, c, height, width)
    inside = ((rows >= 0) & (rows < height))[:, None, :, None] & ((columns >= 0) & (columns < width))[:, None, None, :]
    return x.gather(2, from_rows).gather(3, from_columns).masked_fill(~inside, 0)


def moved(x: Tensor, inverse: Tensor, nearest: bool = False) -> Tensor:
    """Pictures (N, C, H, W) under an affine map; beyond their borders they are mirrored.

    inverse: (N, 2, 3), from places of the result to places of x, in pixels as seen from the centre: x' = M (x, y, 1).
    nearest: take the nearest pixel instead of interpolating bilinearly.
    """
    n, c, height, width = x.shape
    y = torch.arange(height, device=x.device, dtype=inverse.dtype)[:, None] - (height - 1) / 2
    z = torch.arange(width, device=x.device, dtype=inverse.dtype)[None] - (width - 1) / 2
    m = inverse[:, :, :, None, None]
    columns = _mirrored(m[:, 0, 0] * z + m[:, 0, 1] * y + m[:, 0, 2] + (width - 1) / 2, width)
    rows = _mirrored(m[:, 1, 0] * z + m[:, 1, 1] * y + m[:, 1, 2] + (height - 1) / 2, height)
    flat = x.flatten(2)

    def at(row: Tensor, column: Tensor) -> Tensor:
        places = (row * width + column).flatten(1)[:, None].expand(n, c, height * width)
        return flat.gather(2, places).view(n, c, height, width)

    if nearest:
        return at(rows.round().long(), columns.round().long())
    top, left = rows.floor(), columns.floor()
    down, right = (rows - top)[:, None].to(x.dtype), (columns - left)[:, None].to(x.dtype)
    r0, c0 = top.long(), left.long()
    r1, c1 = (r0 + 1).clamp(max=height - 1), (c0 + 1).clamp(max=width - 1)
    upper = at(r0, c0) * (1 - right) + at(r0, c1) * right
    lower = at(r1, c0) * (1 - right) + at(r1, c1) * right
    return upper * (1 - down) + lower * down


def _mirrored(places: Tensor, size: int) -> Tensor:
    """Places on a line -> places in [0, size - 1], as if the pixels went there and back again without end."""
    last = size - 1
    return last - (places.remainder(2 * last) - last).abs() if last else torch.zeros_like(places)
