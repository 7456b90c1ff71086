"""Figures of scenes whose objects are known: what is found, what is kept, how far the objects are from their truth."""

from __future__ import annotations

from typing import Annotated

import torch
from torch import Tensor

from gankit.evaluation.metrics import PEAK, Metric, decibels, ratio
from gankit.slots import Ge, Gt, Le


class AttentionIoU(Metric):
    """Intersection over union of the attention map, cut at `threshold` (map > threshold), and the true mask.

    The mean over pictures; 1 where both are empty.

    Args:
        threshold: the map counts as attended where it is above this.
    """

    default = True

    def __init__(self, *, threshold: Annotated[float, Ge(0), Le(1)] = 0.5) -> None:
        self.threshold = threshold

    def statistics(self, attention: Tensor, mask: Tensor) -> Tensor:
        ours, true = (attention > self.threshold).flatten(1), (mask > 0.5).flatten(1)
        intersection, union = (ours & true).sum(1).double(), (ours | true).sum(1).double()
        return torch.where(union > 0, intersection / union.clamp(min=1), 1.0)[:, None]

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "threshold": self.threshold}


class BackgroundPSNR(Metric):
    """How well the background is kept: PSNR in dB, on 0..255, of output and source outside the true objects.

    Pooled: one mean squared error over all background pixels of the set, which is never above the mean of the
    pictures' own figures, and which a few untouched backgrounds cannot make infinite. `cap` dB where nothing differs.

    Args:
        cap: the dB where nothing differs.
    """

    default = True
    unit = "dB"
    pooling = "over all background pixels"

    def __init__(self, *, cap: Annotated[float, Gt(0)] = 100.0) -> None:
        self.cap = cap

    def statistics(self, output: Tensor, source: Tensor, objects: Tensor) -> Tensor:
        background = (objects <= 0.5).expand_as(source)
        error = (self.levels(output) - self.levels(source)).square() * background
        return torch.stack([error.flatten(1).sum(1), background.flatten(1).sum(1).double()], 1)

    def summarise(self, statistics: Tensor) -> Tensor:
        return decibels(ratio(statistics), self.cap)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "data_range": PEAK, "region": "outside the true objects", "cap": self.cap}


class TranslationError(Metric):
    """How much of the way is left: the mean |output - truth| on the true objects over that of the source.

    0 is the true counterpart, 1 is no better than returning the input. Both means are pooled over all their pixels.
    """

    default = True
    better = "lower"
    pooling = "over all object pixels"

    def statistics(self, output: Tensor, source: Tensor, truth: Tensor, objects: Tensor) -> Tensor:
        target, inside = self.levels(truth), objects > 0.5
        errors = [((self.levels(x) - target).abs() * inside).flatten(1).sum(1) for x in (output, source)]
        return torch.stack(errors, 1)

    def summarise(self, statistics: Tensor) -> Tensor:
        return ratio(statistics)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "region": "inside the true objects", "relative_to": "returning the input"}


class ColourSlope(Metric):
    """How the colours of the objects follow those of the truth: the slope of the best line, output on truth.

    1 where they do; 0 where every object is given one colour, whatever its own. All object pixels and channels pooled,
    each channel about its own mean.
    """

    better = "one"
    default = True
    pooling = "over all object pixels"

    def statistics(self, output: Tensor, truth: Tensor, objects: Tensor) -> Tensor:
        inside = (objects > 0.5).expand_as(truth).flatten(2).double()
        ours, true = self.levels(output).flatten(2), self.levels(truth).flatten(2)
        sums = [(x * inside).sum(2) for x in (torch.ones_like(true), true, ours, true * true, true * ours)]
        return torch.stack(sums, 1).flatten(1)  # (N, 5 C)

    def summarise(self, statistics: Tensor) -> Tensor:
        count, true, ours, squares, products = statistics.sum(-2).unflatten(-1, (5, -1)).unbind(-2)
        return (products - true * ours / count).sum(-1) / (squares - true * true / count).sum(-1)


class SilhouetteIoU(Metric):
    """Whether the objects have the outline of the truth: intersection over union of their silhouettes, 1 where equal.

    Each pixel of the output shows what it is nearer to. Where the outlines of source and truth differ, to the source or
    to the truth. Where both have an object, to the truth or to the mean colour of the background. Where neither has
    one, it shows the background, unless it is more than `tolerance` levels of 0..255 away from it. The mean over
    pictures; those whose outline does not change tell nothing and are left out.

    Args:
        tolerance: how many levels of 0..255 a pixel may be away from the background and still show it.
    """

    default = True

    def __init__(self, *, tolerance: Annotated[float, Gt(0)] = 64.0) -> None:
        self.tolerance = tolerance

    def statistics(self, output: Tensor, source: Tensor, truth: Tensor, mask: Tensor, truth_mask: Tensor) -> Tensor:
        ours, before, after = (self.levels(x) for x in (output, source, truth))
        here, there = mask[:, 0] > 0.5, truth_mask[:, 0] > 0.5
        outside = ~(here | there)[:, None]
        background = (before * outside).sum((2, 3), keepdim=True) / outside.sum((2, 3), keepdim=True).clamp(min=1)
        far, from_source, from_background = ((ours - x).abs().mean(1) for x in (after, before, background))
        changed, kept = torch.where(far < from_source, there, here), far < from_background
        shown = torch.where(here != there, changed, torch.where(here, kept, far > self.tolerance))
        both, either = (shown & there).flatten(1).sum(1).double(), (shown | there).flatten(1).sum(1).double()
        changes = (here != there).flatten(1).any(1)
        return torch.stack([both / either.clamp(min=1) * changes, changes.double()], 1)

    def summarise(self, statistics: Tensor) -> Tensor:
        return ratio(statistics)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "tolerance": self.tolerance}
