"""`gankit evaluate` on other pictures than those of the run's test split."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import Result
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from tests.training.tiny import recipe


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("runs") / "run"
    gankit.train(recipe(steps=1), path)
    return path


def evaluate(run: Path, *options: str) -> Result:
    return CliRunner().invoke(app, ["evaluate", str(run), "--device", "cpu", "--json", *options])


def counts(result: Result) -> set[int]:
    assert result.exit_code == 0, result.output
    return {row["protocol"]["n"] for row in json.loads(result.stdout)["results"]}


def test_data_may_be_changed_and_the_figures_are_not_kept(run: Path) -> None:
    kept = (run / "evaluation.json").read_bytes()
    assert counts(evaluate(run, "--set", "data.test=3")) == {3}
    assert counts(evaluate(run, "--set", "evaluate.samples=1")) == {1}
    assert (run / "evaluation.json").read_bytes() == kept


def test_what_was_trained_stays(run: Path) -> None:
    result = evaluate(run, "--set", "method.generator.blocks=2")
    assert result.exit_code == 2 and "only data.* and evaluate.* can be changed" in result.output


def test_the_pictures_of_the_training(run: Path) -> None:
    kept = (run / "evaluation.json").read_bytes()
    result = evaluate(run, "--split", "train", "--limit", "2")
    assert counts(result) == {2}
    assert {row["protocol"]["split"] for row in json.loads(result.stdout)["results"]} == {"train"}
    assert (run / "evaluation.json").read_bytes() == kept
