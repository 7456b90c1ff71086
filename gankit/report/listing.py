"""The runs of a folder, as `gankit runs` lists them: what each is, how far it came, its figure, its size."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

from gankit.core.better import merit
from gankit.core.errors import CheckpointError, DataError
from gankit.core.figures import called
from gankit.core.files import reason
from gankit.evaluation.kept import results
from gankit.report.curves import read_log
from gankit.report.measured import read_recipe
from gankit.training.checkpoint import read_index
from gankit.training.run import Run

DEPTH = 4
"""Folders below the one that is listed: a grid of trainings keeps its runs two below."""


@dataclass(frozen=True)
class Figure:
    """What a run reached. which: `last`, measured on the newest weights, or `best`, of those while it trained."""

    metric: str
    direction: str
    value: float
    unit: str
    which: str


@dataclass(frozen=True)
class Listed:
    """A run. steps: how many it was to have, or None. date: of its newest file, local time. size: bytes
    on disk. fault: what is damaged; the fields that it hides are empty then."""

    path: Path
    name: str = ""
    method: str = ""
    step: int = 0
    steps: int | None = None
    figure: Figure | None = None
    date: str = ""
    size: int = 0
    fault: str = ""


def listing(folder: Path) -> list[Listed]:
    """The runs in a folder and those below it, or the run that the folder is, by path. A damaged one has a `fault`.

    Raises DataError when the folder is not there or cannot be read.
    """
    if not folder.is_dir():
        raise DataError(f"{folder}: there is no such folder")
    try:
        return [_listed(Run(path)) for path in _found(folder, DEPTH)]
    except OSError as e:
        raise DataError(f"{e.filename or folder}: cannot be read: {reason(e)}") from e


def _found(folder: Path, depth: int) -> Iterator[Path]:
    """Runs, by name. What is inside of a run is not looked at."""
    if Run(folder).begun:
        yield folder
        return
    if depth:
        for child in sorted(folder.iterdir()):
            if child.is_dir() and not child.is_symlink() and not child.name.startswith("."):
                yield from _found(child, depth - 1) if os.access(child, os.R_OK | os.X_OK) else ()


def _listed(run: Run) -> Listed:
    size, newest = _size(run.path)
    date = datetime.fromtimestamp(newest).isoformat(" ", "minutes") if newest else ""
    faults: list[str] = []
    recipe: Mapping[str, Any] = {}
    rows: Sequence[Mapping[str, Any]] = ()
    try:
        recipe = read_recipe(run.path)
    except CheckpointError as e:
        faults.append(str(e))
    step, per_epoch = 0, None
    try:
        if (latest := run.latest()) is not None:
            index = read_index(latest)
            step, per_epoch = index["step"], index.get("steps_per_epoch")
        rows = results(run.evaluation) if run.evaluation.exists() else ()
    except CheckpointError as e:
        faults.append(str(e))
    log = read_log(run.metrics)
    step = step or (log[-1]["step"] if log else 0)
    method = str((recipe.get("method") or {}).get("type", "")).removeprefix("gankit/")
    train = recipe.get("train") or {}
    return Listed(
        path=run.path,
        name=str(recipe.get("name", "")),
        method=method,
        step=step,
        steps=_steps(train, per_epoch),
        figure=_figure(rows, "last") or _best(log, train),
        date=date,
        size=size,
        fault="; ".join(faults),
    )


def _size(folder: Path) -> tuple[int, float]:
    """Bytes of the files, each once however many names it has, and when the newest one was written."""
    seen: dict[tuple[int, int], int] = {}
    newest = 0.0
    for place, _, names in os.walk(folder):
        for name in names:
            try:
                found = os.lstat(os.path.join(place, name))
            except OSError:  # a training that goes on has just replaced it
                continue
            if stat.S_ISREG(found.st_mode):
                seen[found.st_dev, found.st_ino] = found.st_size
                newest = max(newest, found.st_mtime)
    return sum(seen.values()), newest


def _steps(train: Mapping[str, Any], per_epoch: Any) -> int | None:
    if isinstance(train.get("steps"), int):
        return train["steps"]
    per_epoch = train.get("steps_per_epoch") or per_epoch
    epochs = train.get("epochs")
    return epochs * per_epoch if isinstance(epochs, int) and isinstance(per_epoch, int) else None


def _figure(rows: Sequence[Mapping[str, Any]], which: str) -> Figure | None:
    """The first one that has a value."""
    row = next((row for row in rows if row.get("value") is not None and "unavailable" not in row), None)
    if row is None:
        return None
    return Figure(called(row), str(row.get("direction") or ""), row["value"], str(row.get("unit") or ""), which)


def _best(log: Sequence[Mapping[str, Any]], train: Mapping[str, Any]) -> Figure | None:
    """Of what was measured while training: the best of the metric by which a callback chooses, else of the first."""
    rows = [row for record in log for row in record.get("measured") or ()]
    chosen = [c.get("metric") for c in train.get("callbacks") or () if isinstance(c, Mapping)]
    wanted = next((metric for metric in chosen if any(row["metric"] == metric for row in rows)), None)
    rows = [row for row in rows if wanted is None or row["metric"] == wanted]
    rows = [row for row in rows if (called(row), row.get("direction")) == (called(rows[0]), rows[0].get("direction"))]
    if not rows:
        return None
    return _figure([max(rows, key=lambda row: merit(row["value"], row.get("better", "lower")))], "best")
