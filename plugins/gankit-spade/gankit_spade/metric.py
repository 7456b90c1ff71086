"""How far pictures from label maps are from the truth, beside the answers that need no learning."""

from __future__ import annotations

from typing import ClassVar, Literal

import torch
from torch import Tensor

from gankit.evaluation import Metric, levels

TRIVIAL = ("best colour of each class", "best single colour")


class MapError(Metric):
    """Mean absolute distance of output and truth in levels of 255, over all pixels and channels; mean over pictures.

    Beside it stand two answers that look at the truth of each picture itself, as no method may: the best colour for
    each class of the map, and the best one for the whole picture (medians, which this distance likes best). output,
    truth (N, C, H, W) in [-1, 1]; source (N, classes, H, W) of 0 and 1.
    """

    unit: ClassVar[str] = "levels"
    better: ClassVar[Literal["higher", "lower"]] = "lower"

    def statistics(self, output: Tensor, truth: Tensor, source: Tensor) -> Tensor:
        true = levels(truth)
        errors = [(levels(output) - true).abs().flatten(1).mean(1)]
        errors.append(torch.stack([_of_classes(*pair) for pair in zip(true, source.argmax(1), strict=True)]))
        errors.append((true - true.flatten(2).median(2).values[..., None, None]).abs().flatten(1).mean(1))
        return torch.stack(errors, 1)

    def rows(self, statistics: Tensor) -> list[tuple[str, Tensor]]:
        return [(label, statistics[..., i : i + 1]) for i, label in enumerate(("", *TRIVIAL))]


def _of_classes(true: Tensor, classes: Tensor) -> Tensor:
    """The error of the best colour of each class, of one picture (C, H, W) with its classes (H, W)."""
    total = true.new_zeros(())
    for index in classes.unique():
        pixels = true[:, classes == index]
        total = total + (pixels - pixels.median(1, keepdim=True).values).abs().sum()
    return total / true.numel()
