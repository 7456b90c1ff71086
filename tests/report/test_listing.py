"""`gankit runs`: what a folder of runs holds, whatever became of them."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.core.errors import DataError
from gankit.report.listing import listing
from tests.training.tiny import recipe


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("runs")
    measure = {"every": 2, "metrics": ["psnr"], "samples": 1}
    best = [{"type": "best", "metric": "psnr", "direction": "b2a"}]
    gankit.train(recipe(steps=4, measure=measure, callbacks=best, save_every=2), folder / "grid" / "one")
    return folder


def write(run: Path, method: object = "cyclegan", **train: object) -> Path:
    run.mkdir(parents=True)
    kept = {"name": run.name, "method": {"type": method}, "data": {"type": "shapes"}, "train": train}
    (run / "recipe.json").write_text(json.dumps(kept))
    return run


def test_a_run_is_listed_with_all_that_it_has(trained: Path) -> None:
    (run,) = listing(trained)
    assert run.path == trained / "grid" / "one" and run.name == "tiny" and run.method == "cyclegan"
    assert (run.step, run.steps, run.fault) == (4, 4, "") and len(run.date) == len("2026-01-01 00:00")
    assert run.figure is not None and run.figure.which == "last" and run.figure.metric == gankit_first(run.path)
    apart = {(f.stat().st_dev, f.stat().st_ino): f.stat().st_size for f in run.path.rglob("*") if f.is_file()}
    assert run.size == sum(apart.values())


def gankit_first(run: Path) -> str:
    return json.loads((run / "evaluation.json").read_text())["results"][0]["metric"]


def test_without_an_evaluation_the_best_of_the_training_stands(tmp_path: Path) -> None:
    run = write(tmp_path / "run", epochs=3, steps_per_epoch=10, callbacks=[{"type": "best", "metric": "lpips"}])
    rows = [
        [{"metric": m, "direction": "a2b", "value": v, "better": b, "unit": ""} for m, v, b in figures]
        for figures in (
            [("psnr", 9.0, "higher"), ("lpips", 0.2, "lower")],
            [("psnr", 8.0, "higher"), ("lpips", 0.5, "lower")],
        )
    ]
    log = [{"step": 10 * (i + 1), "measured": row} for i, row in enumerate(rows)]
    (run / "metrics.jsonl").write_text("\n".join(map(json.dumps, log)))
    (one,) = listing(tmp_path)
    assert one.figure is not None
    assert (one.figure.metric, one.figure.value, one.figure.which) == ("lpips", 0.2, "best")
    assert (one.step, one.steps) == (20, 30)


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("recipe.json", "{", "recipe.json cannot be read"),
        ("recipe.json", "[]", "holds no mapping"),
        ("evaluation.json", '{"results": 3}', "holds no figures"),
        ("checkpoints/step_00000003/state.json", "{}", "this checkpoint cannot be read"),
    ],
)
def test_a_damaged_run_is_named_and_the_others_go_on(tmp_path: Path, name: str, content: str, words: str) -> None:
    write(tmp_path / "whole")
    place = write(tmp_path / "broken") / name
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(content)
    result = CliRunner().invoke(app, ["runs", str(tmp_path)])
    assert result.exit_code == 0 and words in result.stderr
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["run", "broken", "whole"]
    data = json.loads(CliRunner().invoke(app, ["runs", str(tmp_path), "--json"]).stdout)
    assert words in data[0]["fault"] and data[1]["fault"] == ""


def test_what_is_inside_of_runs_and_behind_links_is_left_out(tmp_path: Path) -> None:
    run = write(tmp_path / "run")
    write(run / "inner")
    write(tmp_path / ".hidden")
    os.symlink(tmp_path, tmp_path / "circle")
    assert [one.path for one in listing(tmp_path)] == [run]
    assert [one.path for one in listing(run)] == [run]


def test_no_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(DataError, match="no such folder"):
        listing(tmp_path / "none")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(app, ["runs"])
    assert result.exit_code == 0 and "gankit train RECIPE" in result.stderr
    assert json.loads(CliRunner().invoke(app, ["runs", "--json"]).stdout) == []
    assert CliRunner().invoke(app, ["runs", "none"]).exit_code == 2
