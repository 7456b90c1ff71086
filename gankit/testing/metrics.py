"""What a metric must give: numbers for each picture, from tensors that it names, and a figure of the numbers."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gankit.contracts import MetricContract
from gankit.core.better import ARROWS
from gankit.core.errors import GankitError
from gankit.testing.calls import NotApplicable, hole, picture, require, shape

SIZE = (32, 32)
PICTURES = ("output", "source", "target", "truth", "raw", "enlarged", "reconstruction", "identity", "composite")
MASKS = ("mask", "objects", "hole")


def figures(metric: Any, given: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """The numbers of two pictures and the figures that follow from them, by the label of their row.

    given: sample tensors for names that the kit does not know. Raises AssertionError unless they are what a metric
    gives, NotApplicable where a network's weights are not here.
    """
    try:
        metric.prepare("cpu", fetch=False)
    except GankitError as error:
        raise NotApplicable(str(error)) from error
    torch.manual_seed(1)
    statistics = metric.statistics(*(sample(name, given) for name in metric.needs()))
    require(isinstance(statistics, Tensor), f"statistics are (N, K) in float64, not {shape(statistics)}")
    told = f"{shape(statistics)} in {statistics.dtype}"
    fits = statistics.ndim == 2 and len(statistics) == 2 and statistics.dtype == torch.float64
    require(fits and statistics.numel() > 0, f"statistics are (N, K) in float64, those of two pictures {told}")
    values = {"statistics": statistics}
    for label, rows in metric.rows(statistics):
        if "compare" in dir(metric):
            output = rows.repeat(MetricContract(metric).least, 1)
            figure = metric.compare(output, output.flip(1))
        else:
            figure = metric.summarise(rows)
        require(isinstance(figure, Tensor) and figure.ndim == 0, f"the figure {label} is a scalar, not {shape(figure)}")
        if "compare" not in dir(metric):  # intervals resample many sets of pictures at once
            several = metric.summarise(torch.stack([rows.flip(0), rows]))
            fits = several.shape == (2,) and torch.allclose(several[1], figure, equal_nan=True)
            require(fits, "summarise takes (..., N, K) and gives (...): a figure for each set of rows, as of one alone")
        values[f"figure {label}"] = figure
    for name, tensor in values.items():
        require(bool(tensor.isfinite().all()), f"the {name} is not finite")
    require(metric.better in ARROWS, f"`better` is `higher`, `lower` or `one`, not {metric.better!r}")
    json.dumps(metric.protocol())
    return values


def sample(name: str, given: Mapping[str, Tensor]) -> Any:
    if name in given:
        return given[name][:2].clone()
    if name == "draw":  # more outputs of each source
        return lambda number: torch.stack([picture(number, SIZE) for _ in range(2)])
    if name == "attention":
        return torch.rand(2, 1, *SIZE)
    if name in MASKS:
        return hole(2, SIZE)
    if name == "truth_mask":  # objects of another outline
        return hole(2, SIZE).roll(SIZE[1] // 8, -1)
    if name in PICTURES:
        return picture(2, SIZE)
    raise AssertionError(f"the kit has no sample for the argument `{name}`: pass inputs={{{name!r}: tensor}}")
