"""Structural similarity in several sizes (Wang et al. 2003, 10.1109/ACSSC.2003.1292216)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.precision import full, without_autocast
from gankit.slots import Ge, Gt, Le

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
"""Of contrast and structure in each size, the finest first, as people judged (the paper's section 3.2)."""
STABLE = (0.01**2, 0.03**2)
"""Constants that keep the quotients of means and of variances stable, of pictures in [0, 1]."""


class MultiScaleSSIM(nn.Module):
    """1 - MS-SSIM (10.1109/ACSSC.2003.1292216; as a loss of networks arXiv 1511.08861).

    forward(output, target) -> scalar, 0 for equal pictures. Pictures (N, C, H, W) in [-1, 1] of one shape, compared
    channel by channel; for a cycle `on: {output: reconstruction, target: source}`. In each size, contrast and structure
    are compared under a Gaussian window without padding, in the smallest also luminance; negative ones count as 0.
    Between sizes pictures are halved by means, odd sides with a border of 0. Sides below `min_size`,
    (window - 1) * 2^(levels - 1) + 1 px (161 by default), are refused with a ValueError.

    levels: sizes; with fewer than five their weights are divided by their sum, with one it is plain SSIM. window: its
    side in pixels, odd. sigma: its deviation.
    """

    window: Tensor
    weights: Tensor

    def __init__(
        self,
        levels: Annotated[int, Ge(1), Le(5)] = 5,
        window: Annotated[int, Ge(1)] = 11,
        sigma: Annotated[float, Gt(0)] = 1.5,
    ) -> None:
        super().__init__()
        if window % 2 == 0:
            raise ValueError(f"the window has a pixel in its middle, so its side is odd, not {window}")
        self.levels, self.side, self.sigma = levels, window, sigma
        self.min_size = (window - 1) * 2 ** (levels - 1) + 1
        places = torch.arange(window, dtype=torch.float64) - window // 2
        bell = torch.exp(-places.square() / (2 * sigma**2))
        weights = torch.tensor(WEIGHTS[:levels], dtype=torch.float64)
        self.register_buffer("window", (bell / bell.sum()).float(), persistent=False)
        weights = weights / (weights.sum() if levels < 5 else 1)
        self.register_buffer("weights", weights.float(), persistent=False)

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if output.shape != target.shape:
            raise ValueError(f"output and target have different shapes: {tuple(output.shape)}, {tuple(target.shape)}")
        if min(output.shape[2:]) < self.min_size:
            sides = "x".join(map(str, output.shape[2:]))
            raise ValueError(f"ms_ssim with {self.levels} levels needs sides of {self.min_size} px, not {sides}")
        with without_autocast(output):
            x, y = (full(picture) / 2 + 0.5 for picture in (output, target))
            found = []
            for level in range(self.levels):
                luminance, structure = self.compared(x, y)
                last = level == self.levels - 1
                found.append((luminance * structure if last else structure).mean((2, 3)))
                if not last:
                    x, y = (F.avg_pool2d(z, 2, padding=(z.shape[2] % 2, z.shape[3] % 2)) for z in (x, y))
            values = torch.stack(found, -1)
            positive = values > 0  # a power has no derivative at 0
            powers = torch.where(positive, values, 1).pow(self.weights.to(values.dtype)) * positive
            return 1 - powers.prod(-1).mean()

    def compared(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        """Luminance, and contrast with structure, under the window at each place."""
        mean_x, mean_y, xx, yy, xy = (self.smoothed(z) for z in (x, y, x * x, y * y, x * y))
        first, second = STABLE
        luminance = (2 * mean_x * mean_y + first) / (mean_x.square() + mean_y.square() + first)
        spread = (xx - mean_x.square()) + (yy - mean_y.square())
        return luminance, (2 * (xy - mean_x * mean_y) + second) / (spread + second)

    def smoothed(self, x: Tensor) -> Tensor:
        """Means under the window: (N, C, H, W) -> (N, C, H - window + 1, W - window + 1)."""
        n, channels, height, width = x.shape
        window = self.window.to(x.dtype)
        x = x.reshape(n * channels, 1, height, width)
        x = F.conv2d(F.conv2d(x, window.view(1, 1, -1, 1)), window.view(1, 1, 1, -1))
        return x.view(n, channels, *x.shape[2:])

    def extra_repr(self) -> str:
        return f"levels={self.levels}, window={self.side}, sigma={self.sigma}"
