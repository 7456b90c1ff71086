"""Figures of inpainting: of the hole alone, of whole pictures raw and composited, in ranges of hole sizes.

`output` is the composite, what a translation returns; `raw` is the generator's own picture; `hole` is 1 in the hole.
Each metric has a row over all pictures and one for each range of hole sizes that occurs, as the papers' tables.
"""

from __future__ import annotations

import itertools
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor

from gankit.core.better import Better
from gankit.evaluation.metrics import PEAK, SSIM, Metric, decibels
from gankit.slots import Gt

EDGES = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 1.0)
"""Of the ranges of hole sizes, each without its lower edge: (0.1, 0.2], ..."""
Pooling = Literal["pictures", "pixels"]


class InpaintingMetric(Metric):
    """Base: the first column of the statistics is the share of the hole, the others are for the figure."""

    default = True

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        """All pictures, then those of each range of hole sizes."""
        share, rows = statistics[:, 0], [("", statistics)]
        for low, high in itertools.pairwise(EDGES):
            if len(chosen := statistics[(share > low) & (share <= high)]):
                rows.append((f"hole ({low:g}, {high:g}]", chosen))
        return rows

    def summarise(self, statistics: Tensor) -> Tensor:
        return statistics[..., 1].mean(-1)


class _PSNR(InpaintingMetric):
    """pooling: the mean of the pictures' figures, or that of one mean squared error over all `pixels`, which is lower
    and is what LBAM's code prints. Pictures without any error count as `cap` dB."""

    unit: ClassVar[str] = "dB"

    def __init__(self, *, pooling: Pooling = "pictures", cap: Annotated[float, Gt(0)] = 100.0) -> None:
        self.pooled, self.cap = pooling == "pixels", cap

    def summarise(self, statistics: Tensor) -> Tensor:
        """Columns: share of the hole, sum of squared errors, number of values."""
        errors, counts = statistics[..., 1], statistics[..., 2]
        if self.pooled:
            return decibels(errors.sum(-1) / counts.sum(-1), self.cap)
        figures = decibels(errors / counts, self.cap)
        return figures.nanmean(-1)  # NaN: a picture without any hole

    def protocol(self) -> dict[str, object]:
        pooling = "over all pixels" if self.pooled else "mean over pictures"
        return {"pooling": pooling, "data_range": PEAK, "cap": self.cap}

    def _errors(self, picture: Tensor, truth: Tensor, hole: Tensor, region: Tensor) -> Tensor:
        """(N, 3): the share of the hole; the sum of squared errors in the region, and how many values that are."""
        squares = (self.levels(picture) - self.levels(truth)).square() * region
        count = region.expand_as(squares).flatten(1).sum(1).double()
        return torch.cat([share_of(hole), squares.flatten(1).sum(1)[:, None], count[:, None]], 1)


class HolePSNR(_PSNR):
    """PSNR of output and truth in dB, on 0..255, over only the pixels of the hole: raw and composite agree there.

    Args:
        pooling: `pictures` takes the mean of the pictures' figures. `pixels` takes that of one mean squared error over
            all pixels, which is lower and is what LBAM's code prints.
        cap: the dB of a picture without any error.
    """

    def statistics(self, output: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
        return self._errors(output, truth, hole, hole > 0.5)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "region": "the hole"}


class HolePSNRMeanFill(HolePSNR):
    """The `hole_psnr` that the mean colour of each picture's known part would have: what any filling should beat.

    Args:
        pooling: `pictures` takes the mean of the pictures' figures. `pixels` takes that of one mean squared error over
            all pixels, which is lower and is what LBAM's code prints.
        cap: the dB of a picture without any error.
    """

    def statistics(self, truth: Tensor, hole: Tensor) -> Tensor:  # type: ignore[override]
        known = (hole <= 0.5).to(truth.dtype)
        mean = (truth * known).sum((2, 3), keepdim=True) / known.sum((2, 3), keepdim=True).clamp(min=1)
        return self._errors(mean.expand_as(truth), truth, hole, hole > 0.5)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "filled_with": "the mean colour of the known part"}


class CompositePSNR(_PSNR):
    """PSNR of the composite and the truth in dB, on 0..255, over whole pictures.

    Args:
        pooling: `pictures` takes the mean of the pictures' figures. `pixels` takes that of one mean squared error over
            all pixels, which is lower and is what LBAM's code prints.
        cap: the dB of a picture without any error.
    """

    def statistics(self, output: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
        return self._errors(output, truth, hole, torch.ones_like(hole, dtype=torch.bool))


class RawPSNR(_PSNR):
    """PSNR of the generator's own picture and the truth in dB, on 0..255, over whole pictures.

    Args:
        pooling: `pictures` takes the mean of the pictures' figures. `pixels` takes that of one mean squared error over
            all pixels, which is lower and is what LBAM's code prints.
        cap: the dB of a picture without any error.
    """

    def statistics(self, raw: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
        return self._errors(raw, truth, hole, torch.ones_like(hole, dtype=torch.bool))


class CompositeSSIM(InpaintingMetric):
    """Structural similarity of the composite and the truth, as `ssim`."""

    def statistics(self, output: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
        return torch.cat([share_of(hole), self._ssim().statistics(output, truth)], 1)

    def protocol(self) -> dict[str, object]:
        return self._ssim().protocol()

    def _ssim(self) -> SSIM:
        ssim = SSIM()
        ssim.rounded = self.rounded
        return ssim


class RawSSIM(CompositeSSIM):
    """Structural similarity of the generator's own picture and the truth, as `ssim`."""

    def statistics(self, raw: Tensor, truth: Tensor, hole: Tensor) -> Tensor:  # type: ignore[override]
        return super().statistics(raw, truth, hole)


class CompositeL1(InpaintingMetric):
    """Mean |composite - truth| over whole pictures in percent of the range 0..255, as in the papers' tables."""

    unit: ClassVar[str] = "%"
    better: ClassVar[Better] = "lower"

    def statistics(self, output: Tensor, truth: Tensor, hole: Tensor) -> Tensor:
        error = (self.levels(output) - self.levels(truth)).abs().flatten(1).mean(1) * (100 / PEAK)
        return torch.cat([share_of(hole), error[:, None]], 1)


class RawL1(CompositeL1):
    """Mean |raw - truth| over whole pictures in percent of the range 0..255, of the generator's own picture."""

    def statistics(self, raw: Tensor, truth: Tensor, hole: Tensor) -> Tensor:  # type: ignore[override]
        return super().statistics(raw, truth, hole)


def share_of(hole: Tensor) -> Tensor:
    """(N, 1): the share of each picture that is hole."""
    return (hole > 0.5).double().flatten(1).mean(1, keepdim=True)
