"""Runs as others compare them: their recipes and their figures, read back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from gankit.core.errors import CheckpointError, RecipeError
from gankit.core.files import read_json
from gankit.core.recipe import Recipe
from gankit.evaluation.kept import results
from gankit.training.run import Run


@dataclass(frozen=True)
class Measured:
    """A run with its filled recipe and the rows of its evaluation.json."""

    path: Path
    recipe: Mapping[str, Any]
    results: Sequence[Mapping[str, Any]]

    @property
    def seed(self) -> int:
        return _seed(self.recipe["train"])

    @property
    def data_seed(self) -> int:
        """That of the pictures that are drawn or of how a folder is split; 0 where nothing is drawn."""
        return _seed(self.recipe["data"])


def _seed(section: Mapping[str, Any]) -> int:
    seed = section.get("seed")
    return seed if isinstance(seed, int) else 0


def runs_of(path: Path) -> list[Path]:
    """The run itself, or those in a folder of runs, by name. Raises CheckpointError where there is none."""
    if not path.is_dir():
        raise CheckpointError(f"{path}: there is no such run directory")
    if Run(path).begun:
        return [path]
    inside = sorted(child for child in path.iterdir() if child.is_dir() and Run(child).recipe.is_file())
    if not inside:
        raise CheckpointError(
            f"{path} is neither a run nor a folder of runs: name a directory that `gankit train` has made"
        )
    return inside


def read_recipe(path: Path) -> dict[str, Any]:
    """The filled recipe of a run; as it was written, where a part of it is not installed. Raises CheckpointError."""
    place = Run(path).recipe
    written = read_json(place, f"train the run again, or leave {path} out")
    if not all(isinstance(written.get(key), dict) for key in ("method", "data", "train")):
        raise CheckpointError(f"{place} holds no recipe: train the run again, or leave {path} out")
    try:
        return Recipe.load(written, for_use=True).filled()
    except RecipeError:
        return written


def read_results(path: Path) -> list[dict[str, Any]]:
    """The rows of a run's evaluation.json. Raises CheckpointError, with what to do, for a damaged one."""
    return results(Run(path).evaluation)
