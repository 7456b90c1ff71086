"""A measured run with a few of its pictures."""

from __future__ import annotations

import io
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from PIL import Image
from torch import Tensor

from gankit.core.errors import CheckpointError
from gankit.core.files import write_whole
from gankit.data.dataset import Dataset
from gankit.evaluation import kept
from gankit.evaluation.evaluate import (
    Loaded,
    evaluate_run,
    measuring,
    samples_of,
    truth_of,
    unless_refused,
    ways_of,
)
from gankit.evaluation.measure import stacked
from gankit.evaluation.results import Evaluation
from gankit.methods.base import Method
from gankit.report.grids import plain_grid, sample_grid
from gankit.report.samples import shown
from gankit.training.run import Run

DRAWN = 64


def measure_run(run: Loaded, **options: Any) -> Evaluation:
    """`evaluate_run`, and beside its figures `evaluation.png`, a few pictures of the test split. The picture is of the
    measurement that stands for the run."""
    evaluation = evaluate_run(run, **options)
    keeps = options.get("split", "test") == "test" and options.get("keep", True)
    if keeps and _stands(run, options.get("limit")) and (grid := showcase(run.method, run.dataset("test"))):
        png = io.BytesIO()
        grid.save(png, "PNG")
        with unless_refused():
            write_whole(Run(Path(run.run_dir)).evaluation_picture, png.getvalue())
    return evaluation


def _stands(run: Loaded, limit: int | None) -> bool:
    """Whether a measurement of the first so many pictures stands for a run: where there is none of all of them."""
    try:
        return limit is None or not any(one.whole for one in kept.measurements(Run(Path(run.run_dir)).evaluation))
    except CheckpointError:  # nothing could be kept
        return True


def showcase(method: Method, dataset: Dataset, count: int = 4) -> Image.Image | None:
    """A grid of the first pictures of `dataset.split("test")`: source, attention, output and, where known, truth.

    Of a method that draws from noise, 64 of its pictures. The method stays on its device. None for an empty split.
    """
    with measuring(method):
        if (drawn := method.draw(DRAWN)) is not None:
            return plain_grid(method.translate(drawn))
    rows = translated(method, dataset, count)
    return sample_grid(rows) if rows else None


def translated(method: Method, dataset: Dataset, count: int) -> list[dict[str, Tensor | str]]:
    """Rows of `sample_grid`, one for each direction of the first pictures of `dataset.split("test")`: `direction`, the
    inputs and, where known, `attention`, `output` and `truth`."""
    rows = []
    with measuring(method):
        for batch in stacked(samples_of(dataset.split("test"), count), 1):
            batch = {name: x.to(method.device) for name, x in batch.items()}
            rows += [_row(method, way, inputs, batch, dataset) for way, inputs in ways_of(method, batch)]
    return rows


def given(row: Mapping[str, Tensor | str]) -> dict[str, Tensor]:
    """The inputs among what a row of `translated` shows."""
    made = ("attention", "output", "truth")
    return {name: x for name, x in row.items() if name not in made and not isinstance(x, str)}


def _row(
    method: Method, way: str, inputs: Mapping[str, Tensor], batch: dict[str, Tensor], dataset: Dataset
) -> dict[str, Tensor | str]:
    """A row of `sample_grid`, of the only picture in a batch."""
    pictures = {
        "attention": method.attend(inputs, way),
        "output": method.translate(inputs, way),
        "truth": truth_of(method, batch, way, dataset),
    }
    known = {name: x[0] for name, x in pictures.items() if x is not None}
    return {"direction": way} | shown(method, way, inputs) | known
