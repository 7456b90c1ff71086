"""Runs as others compare them: their recipes and their figures, read back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gankit.core.errors import CheckpointError, RecipeError
from gankit.core.recipe import Recipe
from gankit.training.run import Run


@dataclass(frozen=True)
class Measured:
    """A run with its filled recipe and the rows of its evaluation.json."""

    path: Path
    recipe: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]

    @property
    def seed(self) -> int:
        return self.recipe["train"].get("seed", 0)


def runs_of(path: Path) -> list[Path]:
    """The run itself, or those in a folder of runs, by name. Raises CheckpointError where there is none."""
    if not path.is_dir():
        raise CheckpointError(f"{path}: there is no such run directory")
    if Run(path).begun:
        return [path]
    inside = sorted(child for child in path.iterdir() if child.is_dir() and Run(child).recipe.is_file())
    if not inside:
        raise CheckpointError(f"{path} is no run, and no folder of runs: name a directory that `gankit train` has made")
    return inside


def read_recipe(path: Path) -> dict[str, Any]:
    """The filled recipe of a run; as it was written, where a part of it is not installed. Raises CheckpointError."""
    place = Run(path).recipe
    written = _json(place, f"train the run again, or leave {path} out")
    if not all(isinstance(written.get(key), dict) for key in ("method", "data", "train")):
        raise CheckpointError(f"{place} holds no recipe: train the run again, or leave {path} out")
    try:
        return Recipe.load(written, for_use=True).filled()
    except RecipeError:
        return written


def read_results(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's evaluation.json. Raises CheckpointError, with what to do, for a damaged one."""
    place = Run(path).evaluation
    advice = f"measure it again by `gankit evaluate {path}`"
    rows = _json(place, advice).get("results")
    if not isinstance(rows, list) or not all(map(_is_row, rows)):
        raise CheckpointError(f"{place} holds no figures: {advice}")
    return rows


def _json(place: Path, advice: str) -> dict[str, Any]:
    def refuse(word: str) -> None:
        raise ValueError(f"it holds {word}")

    try:
        value = json.loads(place.read_text(encoding="utf-8"), parse_constant=refuse)
    except (OSError, ValueError, RecursionError) as e:
        reason = e.strerror.lower() if isinstance(e, OSError) and e.strerror else str(e)
        raise CheckpointError(f"{place} cannot be read: {reason}; {advice}") from e
    if not isinstance(value, dict):
        raise CheckpointError(f"{place} holds no mapping: {advice}")
    return value


def _is_row(row: Any) -> bool:
    def is_number(value: Any) -> bool:
        return value is None or (isinstance(value, int | float) and not isinstance(value, bool))

    if not isinstance(row, dict) or not {"metric", "direction", "value", "interval", "protocol"} <= row.keys():
        return False
    interval, trivial = row["interval"], row.get("trivial", {})
    texts = (row["metric"], row["direction"], row.get("label", ""), row.get("unit", ""))
    return (
        all(isinstance(text, str) for text in texts)
        and is_number(row["value"])
        and (interval is None or (isinstance(interval, list) and len(interval) == 2 and all(map(is_number, interval))))
        and isinstance(row["protocol"], dict)
        and isinstance(trivial, dict)
        and all(map(is_number, trivial.values()))
        and row.get("better") in ("higher", "lower")
    )
