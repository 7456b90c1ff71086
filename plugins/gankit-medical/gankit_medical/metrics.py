"""Figures of CT in its own units, within the body, for each volume.

A volume is one patient, and its slices are alike: a figure is of each volume, the mean is over volumes, and intervals
are of resampled volumes, not slices. Pictures of several slices are measured by the slice in the middle.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.evaluation import Metric
from gankit_medical.slices import Sliced

CAP = 100.0
"""dB of what does not differ."""
BINS = 40
"""Of the window, in the curves of `VesselMAE`."""


class PerVolume(Metric):
    """Base of figures that are means over volumes. `statistics` end with the number of the volume."""

    pooling = "mean over volumes, of each over all pixels of its body"
    within = "body"

    def _values(self, *pictures: Tensor) -> list[Tensor]:
        """Pictures (N, C, H, W) in the units of the files, of several slices the one in the middle."""
        codec = self.codec
        return [self.values(codec.middle(x) if isinstance(codec, Sliced) else x) for x in pictures]

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        return [("", per_volume(statistics))]

    def summarise(self, statistics: Tensor) -> Tensor:
        """(..., V, 2), sums and counts of each volume -> (...)."""
        return (statistics[..., 0] / statistics[..., 1]).mean(-1)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "region": "inside the body", "window": list(self.span)}


class InUnits(PerVolume):
    """Base of errors, which have the unit of the files, such as HU."""

    better: ClassVar[Literal["higher", "lower"]] = "lower"

    @property
    def unit(self) -> str:  # pyright: ignore[reportIncompatibleVariableOverride]
        return "" if self.codec is None else self.codec.units


def per_volume(statistics: Tensor) -> Tensor:
    """(N, K + 1), the last the number of a volume -> (V, K), summed; without volumes that have no pixel (column 2)."""
    volumes = statistics[:, -1].unique(return_inverse=True)[1]
    summed = statistics.new_zeros(int(volumes.max()) + 1, statistics.shape[1] - 1)
    summed.index_add_(0, volumes, statistics[:, :-1])
    return summed[summed[:, 1] > 0]


def _summed(errors: Tensor, inside: Tensor, volume: Tensor) -> Tensor:
    """Errors (N, C, H, W) within (N, 1, H, W) -> (N, 3): sum, count, volume."""
    where = inside.expand_as(errors).double()
    columns = (errors * where).flatten(1).sum(1), where.flatten(1).sum(1), volume.double()
    return torch.stack(columns, 1)


class BodyMAE(InUnits):
    """Mean absolute error of output and truth within the body, in the units of the files, such as HU.

    output, truth (N, C, H, W) in [-1, 1]; body (N, 1, H, W), 1 inside; volume (N,), the number of each one's volume.
    gankit's own.
    """

    def statistics(self, output: Tensor, truth: Tensor, body: Tensor, volume: Tensor) -> Tensor:
        ours, true = self._values(output, truth)
        return _summed((ours - true).abs(), body > 0.5, volume)


class BodyPSNR(PerVolume):
    """PSNR of output and truth within the body, in dB; the peak is the width of the window.

    Of each volume from one mean squared error, at most 100 dB; the mean over volumes. Arguments as those of `BodyMAE`.
    gankit's own.
    """

    unit: ClassVar[str] = "dB"

    def statistics(self, output: Tensor, truth: Tensor, body: Tensor, volume: Tensor) -> Tensor:
        ours, true = self._values(output, truth)
        low, high = self.span
        return _summed(((ours - true) / (high - low)).square(), body > 0.5, volume)

    def summarise(self, statistics: Tensor) -> Tensor:
        error = statistics[..., 0] / statistics[..., 1]
        return (-10 * error.log10()).clamp(max=CAP).mean(-1)


class BodySSIM(PerVolume):
    """SSIM of output and truth (Wang et al. 2004, doi 10.1109/TIP.2003.819861) within the body.

    A Gaussian window of 11 pixels, sigma 1.5, K1 = 0.01, K2 = 0.03, the range being that of the window, which counts
    from 0 at its lower end: in HU the index has no meaning below 0. Averaged over the pixels of the body around which
    the Gaussian lies whole in the picture, so that sides must have 11 pixels (`ValueError`). Arguments as those of
    `BodyMAE`.
    """

    side, sigma = 11, 1.5

    def statistics(self, output: Tensor, truth: Tensor, body: Tensor, volume: Tensor) -> Tensor:
        if min(output.shape[-2:]) < self.side:
            raise ValueError(f"SSIM needs pictures of at least {self.side} x {self.side} px")
        low, high = self.span
        x, y = (value.sub(low).div(high - low) for value in self._values(output, truth))
        mean_x, mean_y = self._blur(x), self._blur(y)
        spread_x, spread_y = self._blur(x * x) - mean_x**2, self._blur(y * y) - mean_y**2
        shared = self._blur(x * y) - mean_x * mean_y
        c1, c2 = 0.01**2, 0.03**2
        index = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        index = index * (2 * shared + c2) / (spread_x + spread_y + c2)
        edge = self.side // 2
        return _summed(index, body[..., edge:-edge, edge:-edge] > 0.5, volume)

    def _blur(self, x: Tensor) -> Tensor:
        offset = torch.arange(self.side, dtype=x.dtype, device=x.device) - self.side // 2
        kernel = torch.exp(-(offset**2) / (2 * self.sigma**2))
        kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
        return F.conv2d(F.conv2d(x, kernel, groups=x.shape[1]), kernel.mT, groups=x.shape[1])


class VesselMAE(InUnits):
    """Mean absolute error in the vessels, in the units of the files, and outside them within the body; beside answers
    that cost nothing.

    They are fitted to the truth of these very pictures, as no method may: `best constant` is added to all that is
    brighter than the best threshold, `best curve` gives each brightness its own value. Both are chosen for the least
    sum of the two errors, in the vessels and outside, in steps of a fortieth of the window. What the input itself has
    stands beside each row as its trivial answer.

    output, source, truth (N, C, H, W) in [-1, 1]; mask, the vessels, and body (N, 1, H, W); volume (N,). gankit's own.
    """

    def statistics(
        self, output: Tensor, source: Tensor, truth: Tensor, mask: Tensor, body: Tensor, volume: Tensor
    ) -> Tensor:
        """(N, 2 * (2 + BINS * (2 BINS + 1)) + 1): for vessels and outside the error, the pixels, and how often each
        brightness of the source is to be changed by so much; the volume."""
        ours, given, true = self._values(output, source, truth)
        vessels = mask > 0.5
        found = []
        for where in (vessels, (body > 0.5) & ~vessels):
            found += [_summed((ours - true).abs(), where, volume)[:, :2], self._changes(given, true, where)]
        return torch.cat([*found, volume.double()[:, None]], 1)

    def _changes(self, source: Tensor, truth: Tensor, where: Tensor) -> Tensor:
        """(N, BINS * (2 BINS + 1))."""
        low, high = self.span
        step, many = (high - low) / BINS, 2 * BINS + 1
        brightness = ((source - low) / step).long().clamp(0, BINS - 1)
        change = ((truth - source) / step).round().long() + BINS
        seen = source.new_zeros(len(source), BINS * many)
        return seen.scatter_add_(
            1, (brightness * many + change).flatten(1), where.expand_as(source).double().flatten(1)
        )

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        low, high = self.span
        vessels, outside = per_volume(statistics).chunk(2, 1)
        changes = [part[:, 2:].unflatten(1, (BINS, -1)) for part in (vessels, outside)]
        size = (torch.arange(2 * BINS + 1, dtype=statistics.dtype) - BINS).mul((high - low) / BINS)
        away = (size[:, None] - size).abs()  # of each change from each answer
        costs = [seen @ away for seen in changes]  # (V, BINS, answers)
        total = torch.stack([c.sum(0) / s.sum().clamp(min=1) for c, s in zip(costs, changes, strict=True)]).sum(0)
        rows = [("", vessels[:, :2]), ("outside", outside[:, :2])]
        for name, chosen in (("best constant", _constant(total)), ("best curve", total.argmin(1))):
            for place, part, cost in zip(("", ", outside"), (vessels, outside), costs, strict=True):
                error = cost.gather(2, chosen[None, :, None].expand(len(cost), -1, 1)).sum((1, 2))
                rows.append((name + place, torch.stack([error, part[:, 1]], 1)))
        return rows

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "region": "the vessels; outside: all else of the body"}


def _constant(total: Tensor) -> Tensor:
    """The answer of each brightness, one constant above a threshold: costs (BINS, answers) -> (BINS,)."""
    above = total.flip(0).cumsum(0).flip(0)
    below = total[:, BINS].cumsum(0) - total[:, BINS]  # nothing is added
    threshold, answer = divmod(int((above + below[:, None]).argmin()), total.shape[1])
    bins = torch.arange(len(total))
    return torch.where(bins >= threshold, answer, BINS)
