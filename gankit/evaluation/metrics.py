"""Figures of merit, each with the protocol that made it.

A metric is written like a loss: the argument names of `statistics` are the tensors that it needs. For one direction
those are `source` (the input), `output` (its translation), `truth` (the true counterpart), `attention` (the method's
map), `mask` (1 on the objects of the source), `objects` (1 on the objects of the source and of the truth), `draw` (a
function that translates the source again), and whatever else the method offers under its name; then the fields of the
data's items: `label`, or `body` for `body_a` where a is the source. Pictures are (N, C, H, W) in [-1, 1] and are
rounded to the 256 levels in which they would be saved, unless their files have more; masks and maps are (N, 1, H, W) in
[0, 1]. All arithmetic is float64.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.codecs.base import Codec
from gankit.core.better import Better
from gankit.slots import Gt

PEAK = 255.0


def levels(picture: Tensor, rounded: bool = True) -> Tensor:
    """A picture in [-1, 1] as the float64 levels 0, 1, ..., 255 that an 8-bit file would hold; not rounded: 0 to 255,
    the whole window of files of another depth."""
    scaled = picture.double().add(1).mul(PEAK / 2)
    return (scaled.round() if rounded else scaled).clamp(0, PEAK)


def true_objects(mask: Tensor, source: Tensor, truth: Tensor) -> Tensor:
    """The mask of the source and all that must change beside it, for the truth may have another outline.

    mask: (N, 1, H, W); source, truth: (N, C, H, W). Equals the mask where a translation keeps every outline.
    """
    changed = (levels(source) != levels(truth)).any(1, keepdim=True)
    return ((mask > 0.5) | changed).to(mask.dtype)


class Metric:
    """One row of numbers a picture (`statistics`), and what a set of rows amounts to (`summarise`).

    The two steps are apart so that a set of pictures can be measured batch by batch and then resampled.
    """

    unit: ClassVar[str] = ""
    better: ClassVar[Better] = "higher"
    pooling: ClassVar[str] = "mean over pictures"
    default: ClassVar[bool] = False
    """Measured wherever its tensors are there, not only where a recipe or a command names it."""
    within: ClassVar[str] = ""
    """The mask within which it judges, by its name: there trivial answers are made, where no objects are to change."""
    least: ClassVar[int] = 2
    """Of one that compares sets: the fewest pictures of each."""
    statistics: Callable[..., Tensor]
    """Tensors, by their names, -> (N, K) float64: what is kept of each picture."""
    rounded: bool = True
    """Whether pictures are 8-bit ones; set where they are measured."""
    codec: Codec | None = None
    """How files of the outputs are read and written; set where they are measured, None where there are none."""

    def levels(self, picture: Tensor) -> Tensor:
        """A picture (N, C, H, W) in [-1, 1] on 0..255, float64, in the levels of its files (`levels`)."""
        return levels(picture, self.rounded)

    def values(self, picture: Tensor) -> Tensor:
        """The same in the units of the output's files, such as HU, float64: within `span`, not rounded."""
        low, high = self.span
        return picture.double().add(1).mul((high - low) / 2).add(low).clamp(low, high)

    @property
    def span(self) -> tuple[float, float]:
        """The values that are black and white, in the units of the output's files; 0 and 255 of 8-bit ones."""
        codec = self.codec
        return (0, PEAK) if codec is None or codec.low is None or codec.high is None else (codec.low, codec.high)

    def summarise(self, statistics: Tensor) -> Tensor:
        """(..., N, K) -> (...): the figure of N pictures."""
        return statistics[..., 0].mean(-1)

    def protocol(self) -> dict[str, object]:
        """How the figure is obtained: JSON-able, printed beside it."""
        return {"pooling": self.pooling}

    def needs(self) -> tuple[str, ...]:
        """The names of the tensors that `statistics` takes."""
        return tuple(inspect.signature(self.statistics).parameters)

    def named(self, name: str) -> str:
        """What its rows are called, where `name` is what it is registered as: with its network, if it has one."""
        return name

    def prepare(self, device: str | torch.device, fetch: bool = True) -> None:
        """Called before the first picture: load what is needed. fetch: where it is not here, from the network.

        Raises `gankit.evaluation.extract.Unavailable`, with what to do, where the metric cannot be had.
        """

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        """(label, statistics) of each row: one without a label; or, say, one for each range of hole sizes."""
        return [("", statistics)]

    def __call__(self, *args: Tensor) -> float:
        """The figure of one batch."""
        return float(self.summarise(self.statistics(*args)))


class PSNR(Metric):
    """Peak signal-to-noise ratio of output and truth in dB, on 0..255 over all channels; the mean over pictures.

    Identical pictures count as `cap` dB, for the mean would be infinite otherwise.

    Args:
        cap: the dB of identical pictures.
    """

    default = True
    unit = "dB"

    def __init__(self, *, cap: Annotated[float, Gt(0)] = 100.0) -> None:
        self.cap = cap

    def statistics(self, output: Tensor, truth: Tensor) -> Tensor:
        error = (self.levels(output) - self.levels(truth)).square().flatten(1).mean(1)
        return decibels(error, self.cap)[:, None]

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "data_range": PEAK, "cap": self.cap}


class SSIM(Metric):
    """Structural similarity of output and truth in [-1, 1] (Wang et al. 2004): mean over windows, channels, pictures.

    An 11 x 11 Gaussian window of sigma 1.5, K1 = 0.01, K2 = 0.03, on 0..255. As in the authors' code, only windows that
    lie whole inside the picture count (torchmetrics 1.9 counts reflected borders too, which moves the third
    decimal), so both sides must have at least 11 pixels (`ValueError`).
    """

    default = True
    window, sigma = 11, 1.5

    def statistics(self, output: Tensor, truth: Tensor) -> Tensor:
        if min(output.shape[-2:]) < self.window:
            height, width = output.shape[-2:]
            raise ValueError(f"SSIM needs pictures of at least 11 x 11 px, these have {width} x {height}")
        x, y = self.levels(output), self.levels(truth)
        mean_x, mean_y = self._blur(x), self._blur(y)
        variance_x = self._blur(x * x) - mean_x**2
        variance_y = self._blur(y * y) - mean_y**2
        covariance = self._blur(x * y) - mean_x * mean_y
        c1, c2 = (0.01 * PEAK) ** 2, (0.03 * PEAK) ** 2
        luminance = (2 * mean_x * mean_y + c1) / (mean_x**2 + mean_y**2 + c1)
        structure = (2 * covariance + c2) / (variance_x + variance_y + c2)
        return (luminance * structure).flatten(1).mean(1)[:, None]

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "data_range": PEAK, "window": f"gaussian {self.window}, sigma {self.sigma}"}

    def _blur(self, x: Tensor) -> Tensor:
        offset = torch.arange(self.window, dtype=x.dtype, device=x.device) - self.window // 2
        kernel = torch.exp(-(offset**2) / (2 * self.sigma**2))
        kernel = (kernel / kernel.sum()).expand(x.shape[1], 1, 1, -1)
        rows = F.conv2d(x, kernel, groups=x.shape[1])
        return F.conv2d(rows, kernel.transpose(2, 3), groups=x.shape[1])


class L1(Metric):
    """Mean absolute difference of output and truth in levels of 0..255, over all channels; the mean over pictures."""

    default = True
    unit = "levels"
    better = "lower"

    def statistics(self, output: Tensor, truth: Tensor) -> Tensor:
        return (self.levels(output) - self.levels(truth)).abs().flatten(1).mean(1)[:, None]


def ratio(statistics: Tensor) -> Tensor:
    """(..., N, 2) -> (...): the sum of the first column over that of the second; NaN where there is nothing."""
    numerator, denominator = statistics.sum(-2).unbind(-1)
    return numerator / denominator


def decibels(squared_error: Tensor, cap: float) -> Tensor:
    """PSNR of a mean squared error on 0..255, at most `cap`."""
    return (10 * torch.log10(PEAK**2 / squared_error)).clamp(max=cap)
