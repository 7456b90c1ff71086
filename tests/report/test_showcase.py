import json
from pathlib import Path

import pytest
from PIL import Image

from gankit.report.showcase import measure_run, showcase
from tests.evaluation.fakes import Brighten, Scenes, Unpaired, run_of
from tests.evaluation.test_evaluate import METRICS


def test_showcase_has_a_row_for_each_picture_and_direction() -> None:
    grid = showcase(Brighten(), Scenes(), count=2)
    bare = showcase(Brighten(attends=False), Unpaired(), count=2)
    assert grid is not None and bare is not None
    assert grid.height == bare.height > 4 * 128
    assert grid.width > bare.width + 2 * 128  # attention and truth


def test_a_measured_run_keeps_figures_and_pictures(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("gankit.evaluation.evaluate.default_metrics", lambda: METRICS)
    run = run_of(tmp_path)
    found = measure_run(run, limit=2)
    assert json.loads((tmp_path / "evaluation.json").read_text())["results"] == found.as_dict()["results"]
    assert found.rows[0].protocol["step"] == 7
    assert Image.open(tmp_path / "evaluation.png").width > 4 * 128
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.json", "evaluation.png"]


def test_the_picture_is_of_the_measurement_that_stands_for_the_run(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("gankit.evaluation.evaluate.default_metrics", lambda: METRICS)
    run, picture = run_of(tmp_path), tmp_path / "evaluation.png"
    for limit, drawn in ((1, True), (2, True), (None, True), (1, False), (None, True)):
        picture.unlink(missing_ok=True)
        measure_run(run, limit=limit)
        assert picture.exists() == drawn


def test_figures_of_a_run_that_cannot_be_written_to_are_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setattr("gankit.evaluation.evaluate.default_metrics", lambda: METRICS)
    (tmp_path / "file").write_text("")
    assert measure_run(run_of(tmp_path / "file/run"), limit=2).rows
    assert [record.getMessage().rpartition("/")[2] for record in caplog.records] == [
        "evaluation.json: cannot be written: not a directory",
        "evaluation.png: cannot be written: not a directory",
    ]
