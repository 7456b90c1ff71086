"""Pictures of several runs for the docs."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

import gankit
from benchmarks.pictures import main
from gankit.report.grids import CELL, GAP
from tests.training.tiny import recipe


def test_runs_stand_side_by_side(tmp_path: Path) -> None:
    runs = [str(tmp_path / name) for name in ("one", "two")]
    for seed, run in enumerate(runs):
        gankit.train(recipe(steps=1, seed=seed), run)
    assert main([*runs, "--names", "A", "B", "--count", "2", "--out", str(tmp_path / "a.png")]) == 0
    with Image.open(tmp_path / "a.png") as picture:
        columns = ("source", "A", "B", "truth")
        assert picture.width == GAP + len(columns) * (CELL + GAP)
    gankit.train(recipe(steps=1, data={"seed": 9}), tmp_path / "elsewhere")
    out = ["--out", str(tmp_path / "b.png")]
    for wrong in (["--names", "A"], ["--count", "999"], ["--direction", "a2c"], [str(tmp_path / "elsewhere")]):
        with pytest.raises(SystemExit):
            main([*runs, *wrong, *out])
    assert not (tmp_path / "b.png").exists()
