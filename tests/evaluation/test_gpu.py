"""Figures that are measured on a GPU are those of a CPU."""

from __future__ import annotations

from pathlib import Path

import pytest

import gankit
from tests.gpu import DEVICE, MARKS
from tests.training.tiny import recipe

pytestmark = MARKS


def test_a_run_measures_the_same_on_both(tmp_path: Path) -> None:
    run = tmp_path / "run"
    gankit.train(recipe(steps=2, data={"test": 6}, device=DEVICE.type), run)
    here, there = (
        {(row.metric, row.direction): row.value for row in gankit.evaluate(run, device=device).rows}
        for device in (DEVICE.type, "cpu")
    )
    assert here.keys() == there.keys() and any(value is not None for value in here.values())
    for name, value in there.items():
        assert here[name] == (None if value is None else pytest.approx(value, rel=1e-3, abs=1e-3)), name
