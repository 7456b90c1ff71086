"""Differences of spectra (Jiang et al. 2021, arXiv 2012.12821)."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.precision import full, without_autocast
from gankit.slots import Ge


class FocalFrequency(nn.Module):
    """Focal frequency loss (arXiv 2012.12821, eq. 7 to 9): mean of w |F(output) - F(target)|^2 over all frequencies.

    forward(output, target) -> scalar. Pictures (N, C, H, W) in [-1, 1] of one shape; for a cycle
    `on: {output: reconstruction, target: source}`. F is the orthonormal 2-D Fourier transform of each channel. The
    weight w = |F(output) - F(target)|^alpha, over its largest value in the picture and channel, is held fixed, so that
    frequencies that are hard to make count most. Of pictures in [0, 1], as the paper's code has them, the loss is a
    quarter.

    alpha: 1 in the paper. patches: transform patches, so many along each side, instead of the whole (ValueError where a
    side is no multiple of it). logarithm: w = log(1 + |...|^alpha) instead. average: compare the mean spectra of the
    batch. over_batch: the largest value is that of the whole batch.
    """

    def __init__(
        self,
        alpha: Annotated[float, Ge(0)] = 1.0,
        patches: Annotated[int, Ge(1)] = 1,
        logarithm: bool = False,
        average: bool = False,
        over_batch: bool = False,
    ) -> None:
        super().__init__()
        self.alpha, self.patches, self.logarithm = alpha, patches, logarithm
        self.average, self.over_batch = average, over_batch
        self.mixes_batch = average or over_batch
        self.min_size = patches

    def forward(self, output: Tensor, target: Tensor) -> Tensor:
        if output.shape != target.shape:
            raise ValueError(f"output and target have different shapes: {tuple(output.shape)}, {tuple(target.shape)}")
        if any(side % self.patches for side in output.shape[2:]):
            raise ValueError(f"{tuple(output.shape[2:])} does not fall into {self.patches} patches along each side")
        with without_autocast(output):
            apart = self.spectrum(output) - self.spectrum(target)
            if self.average:
                apart = apart.mean(0, keepdim=True)
            squared = apart.real.square() + apart.imag.square()
            return (self.weight(squared.detach()) * squared).mean()

    def spectrum(self, picture: Tensor) -> Tensor:
        """(N, C, H, W) -> complex (N, C, rows, columns, h, w), a spectrum of each patch."""
        n, channels, height, width = picture.shape
        rows = columns = self.patches
        patches = full(picture).reshape(n, channels, rows, height // rows, columns, width // columns).transpose(3, 4)
        return torch.fft.fft2(patches, norm="ortho")

    def weight(self, squared: Tensor) -> Tensor:
        """Of squared distances: 0 to 1, the largest of each patch 1."""
        weight = squared.sqrt().pow(self.alpha)
        weight = weight.log1p() if self.logarithm else weight
        largest = weight.amax() if self.over_batch else weight.amax((-2, -1), keepdim=True)
        return weight / torch.where(largest > 0, largest, 1)

    def extra_repr(self) -> str:
        return (
            f"alpha={self.alpha}, patches={self.patches}, logarithm={self.logarithm}, average={self.average}, "
            f"over_batch={self.over_batch}"
        )
