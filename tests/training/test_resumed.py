"""What shows, before anything is loaded, that a training cannot go on exactly."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from gankit.core.errors import CheckpointError
from gankit.core.recipe import Recipe
from gankit.training.checkpoint import Checkpoint
from gankit.training.resumed import refuse_misfits

PLACE = Path("run/checkpoints/step_00000004")
HERE = {"training pictures": 20, "steps in an epoch": 5, "processes": 1}


def recipe(*sets: str) -> Recipe:
    return Recipe.load("demo-cyclegan", sets)


def stored(of: Recipe, **more: Any) -> Checkpoint:
    info = {"step": 4, "items": 20, "steps_per_epoch": 5, "recipe": of.filled()}
    return Checkpoint({}, None, {"processes": [{}]}, info | more)


def test_what_fits_is_let_through() -> None:
    refuse_misfits(PLACE, stored(recipe("train.steps=9", "train.log_every=3")), recipe(), HERE)


def test_a_checkpoint_of_another_run_is_refused() -> None:
    with pytest.raises(
        CheckpointError, match=r"another recipe than that of its run: train.optimizer.lr is 0.1 there and 0.0005"
    ):
        refuse_misfits(PLACE, stored(recipe("train.optimizer.lr=0.1")), recipe(), HERE)


@pytest.mark.parametrize("key, what", [("items", "training pictures"), ("steps_per_epoch", "steps in an epoch")])
def test_other_numbers_are_refused(key: str, what: str) -> None:
    with pytest.raises(CheckpointError, match=rf"was written with 3 {what} and there are"):
        refuse_misfits(PLACE, stored(recipe(), **{key: 3}), recipe(), HERE)
