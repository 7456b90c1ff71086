"""Whether a training can go on exactly from a checkpoint, as far as that shows before anything is loaded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from gankit.core.errors import CheckpointError, RecipeError, dotted
from gankit.core.recipe import Recipe
from gankit.training.checkpoint import Checkpoint
from gankit.training.fingerprint import Files, difference, digest
from gankit.training.run import Run, differences

CHANGED = "To continue with the changed data, no longer bit for bit, add --data-changed"


def refuse_misfits(
    path: Path, stored: Checkpoint, recipe: Recipe, here: Mapping[str, int], data_changed: bool = False
) -> None:
    """Raise CheckpointError where the checkpoint is of another training than this one.

    here: the number of training pictures, steps in an epoch and processes now. data_changed: whether the numbers of the
    data may differ.
    """
    if "processes" not in stored.state:
        raise CheckpointError(
            f"{path} holds imported weights and no state of a training: it cannot be "
            "continued; begin a new training from it: gankit train RECIPE --from RUN"
        )
    if difference := next(differences(recipe.filled(), _filled(path, stored)), None):
        place, ours, theirs = difference
        raise CheckpointError(
            f"{path} was written by another recipe than that of its run: {dotted(place)} is {theirs!r} there and "
            f"{ours!r} here. Put the run's own checkpoint back, or remove this one"
        )
    own = stored.state["processes"]
    processes = len(own) if isinstance(own, list) else None
    counts = (stored.info.get("items"), stored.info.get("steps_per_epoch"), processes)
    for (what, now), then in zip(here.items(), counts, strict=True):
        if now != then and not (data_changed and what != "processes"):
            cure = "" if what == "processes" else f". {CHANGED}"
            raise CheckpointError(
                f"{path} was written with {then} {what} and there are {now} now: it cannot go on exactly{cure}"
            )


def refuse_changed_data(run: Run, stored: Checkpoint, files: Files) -> None:
    """Raise CheckpointError, with what changed, where the files of the data are not those of the checkpoint."""
    then = stored.info.get("data")
    if then is None or then == digest(files):
        return
    try:
        told = difference(json.loads(run.data.read_bytes()), files)
    except (OSError, ValueError, RecursionError):
        told = ""
    raise CheckpointError(
        f"the data are not those with which {run.path} was trained: "
        f"{told or 'names, order or content of the files differ'}. "
        f"Put back what was there. {CHANGED}"
    )


def _filled(path: Path, stored: Checkpoint) -> dict[str, Any]:
    """The recipe of a checkpoint, brought up to the versions of the parts that are here."""
    try:
        return Recipe.load(stored.info["recipe"], for_use=True).filled()
    except RecipeError as e:
        raise CheckpointError(f"{path}: its recipe does not fit the parts that are installed: {e}") from e
