"""Answers that no training is needed for, on the same pictures: what a figure of quality must beat to be evidence."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

import torch
from torch import Tensor

from gankit.evaluation.metrics import Metric

INPUT, CONSTANT, MEAN, EVERYWHERE = "input", "best constant", "true mean", "map of ones"
BINS = 256


def judged_by_truth(metric: Metric) -> bool:
    """Whether a metric compares with what is known to be right, so that other answers can be compared with it too."""
    needs = set(metric.needs())
    return {"output", "truth"} <= needs or {"attention", "mask"} <= needs


class Trivial:
    """The trivial answers of each direction.

    `input`: the source as it is. `best constant`: the one colour, per direction, whose mean absolute error is least
    over all true pixels of the set, filled into what is to be changed: the objects, the hole, the mask `within` which
    the metric judges, or else the whole picture. `true mean`: for each picture the mean of its own true pixels, filled
    in there as well; but of objects whose outline changes into that of the source, for in that of the truth it would be
    the truth; where a metric judges outlines, so is the constant. `map of ones`: attention everywhere.
    """

    def __init__(self, within: Iterable[str] = ()) -> None:
        """within: the names of the masks within which metrics judge."""
        self.within = {"", *within}
        self._counts: dict[tuple[str, str], Tensor] = defaultdict(lambda: torch.zeros(()))  # -> (C, BINS)

    def fit(self, direction: str, tensors: Mapping[str, Any]) -> None:
        """Count the colours of a batch with its truth (N, C, H, W)."""
        truth = tensors["truth"]
        bins = ((truth + 1) * (BINS - 1) / 2).round().long().clamp(0, BINS - 1)
        for name in self.within:
            inside = region_of(tensors, name).expand_as(truth)
            counts = [torch.bincount(bins[:, c][inside[:, c]], minlength=BINS) for c in range(truth.shape[1])]
            self._counts[direction, name] = self._counts[direction, name] + torch.stack(counts).cpu()

    def constant(self, direction: str, within: str = "") -> Tensor | None:
        """The median of the true pixels, (C, 1, 1) in [-1, 1]."""
        counts = self._counts.get((direction, within))
        if counts is None or not bool(counts.sum(1).all()):
            return None
        middle = (counts.cumsum(1) >= counts.sum(1, keepdim=True) / 2).double().argmax(1)
        return (middle.float() * 2 / (BINS - 1) - 1)[:, None, None]

    def answers(self, direction: str, tensors: Mapping[str, Any], metric: Metric) -> dict[str, dict[str, Any]]:
        """Answer -> the tensors of a batch with that answer in the place of the method's."""
        if {"attention", "mask"} <= set(metric.needs()):
            return {EVERYWHERE: {**tensors, "attention": torch.ones_like(tensors["attention"])}}
        source, truth, region = tensors.get("source"), tensors["truth"], region_of(tensors, metric.within)
        outputs: dict[str, Tensor] = {}
        around = truth
        if isinstance(source, Tensor) and source.shape == truth.shape:
            outputs[INPUT] = around = source
        known = region & (tensors["mask"] > 0.5) if "truth_mask" in tensors else region
        if (constant := self.constant(direction, metric.within)) is not None:
            filled = known if "truth_mask" in metric.needs() else region
            outputs[CONSTANT] = torch.where(filled, constant.to(truth), around)
        pixels = region.sum((2, 3), keepdim=True).clamp(min=1)
        outputs[MEAN] = torch.where(known, (truth * region).sum((2, 3), keepdim=True) / pixels, around)
        return {name: {**tensors, "output": output} for name, output in outputs.items()}


def region_of(tensors: Mapping[str, Any], within: str = "") -> Tensor:
    """What is to be changed, (N, 1, H, W) bool. within: the mask within which it is judged."""
    for name in ("objects", "hole", within):
        if (mask := tensors.get(name)) is not None:
            return mask > 0.5
    return torch.ones_like(tensors["truth"][:, :1], dtype=torch.bool)
