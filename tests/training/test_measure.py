"""Figures while training, the best checkpoint, and an early end."""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import gankit
from gankit.callbacks import Best, EarlyStop, Event, Keep, Stop
from gankit.core.errors import CheckpointError, RecipeError
from gankit.evaluation import during
from gankit.training import checkpoint
from gankit.training.assemble import assemble
from gankit.training.run import Run
from tests.training.conftest import Killed
from tests.training.tiny import digests, recipe

MEASURE = {"every": 2, "samples": 2, "metrics": ["translation_error", "l1"]}
BEST = {"type": "best", "metric": "translation_error"}


def measured(run: Path) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in (run / "metrics.jsonl").read_text().splitlines()]
    return [line for line in lines if "measured" in line]


def figures(run: Path) -> list[tuple[int, list[float]]]:
    return [(line["step"], [row["value"] for row in line["measured"]]) for line in measured(run)]


def test_measuring_changes_no_bit_and_is_of_val(tmp_path: Path) -> None:
    gankit.train(recipe(ema=0.9), tmp_path / "plain")
    gankit.train(recipe(ema=0.9, measure=MEASURE, callbacks=[BEST]), tmp_path / "measured")
    assert digests(tmp_path / "plain") == digests(tmp_path / "measured")
    lines = measured(tmp_path / "measured")
    assert [line["step"] for line in lines] == [2, 4, 6]
    assert {row["metric"] for row in lines[0]["measured"]} == {"translation_error", "l1"}
    assert lines[0]["measured"][0]["protocol"]["split"] == "val" and lines[0]["measured"][0]["protocol"]["n"] == 2
    own = gankit.evaluate(tmp_path / "measured", "cpu", limit=2, metrics=["translation_error"], split="val")
    assert [row.value for row in own] == figures(tmp_path / "measured")[-1][1][:2]


def test_the_pictures_to_measure_are_found_once(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    found: list[str] = []
    monkeypatch.setattr(during, "measured", lambda data, split: found.append(split) or data.split(split))
    gankit.train(recipe(measure=MEASURE), tmp_path)
    assert len(measured(tmp_path)) == 3 and found == ["val"]


@pytest.mark.parametrize("saves", [2, 4])
def test_a_killed_run_measures_alike_and_keeps_the_same_best(
    saves: int, kill_after: Callable[[int], None], tmp_path: Path
) -> None:
    chosen = recipe(measure=MEASURE, callbacks=[BEST], save_every=2)
    gankit.train(chosen, tmp_path / "alone")
    kill_after(saves)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")
    assert figures(tmp_path / "killed") == figures(tmp_path / "alone")
    best = [checkpoint.load(tmp_path / run / "checkpoints" / "best").step for run in ("killed", "alone")]
    assert best[0] == best[1]


def test_the_best_is_the_checkpoint_of_the_best_figure(tmp_path: Path) -> None:
    gankit.train(recipe(steps=8, measure=MEASURE, callbacks=[BEST], keep=1), tmp_path / "run")
    means = {step: sum(values[:2]) / 2 for step, values in figures(tmp_path / "run")}
    best = min(means, key=lambda step: means[step])
    model = gankit.load(tmp_path / "run", "cpu", checkpoint="best")
    assert model.step == best and model.run_dir == tmp_path / "run"
    found = gankit.evaluate(tmp_path / "run", "cpu", 2, metrics=["translation_error"], split="val", checkpoint="best")
    assert sum(row.value or 0 for row in found) / 2 == pytest.approx(means[best])
    assert gankit.load(tmp_path / "run", "cpu").step == 8


def test_checkpoints_are_called_by_name(tmp_path: Path) -> None:
    gankit.train(recipe(steps=6, save_every=1, keep=1, keep_every=3), tmp_path / "run")
    run = Run(tmp_path / "run")
    assert [path.name for path in checkpoint.found(run.checkpoints)] == ["step_00000003", "step_00000006"]
    assert gankit.load(run.path, "cpu", checkpoint=3).step == 3
    for wrong in ("best", "4", "../checkpoints/step_00000003", ""):
        with pytest.raises(CheckpointError, match=r"has no checkpoint .*there are: last, 3, 6"):
            gankit.load(run.path, "cpu", checkpoint=wrong)
    with pytest.raises(CheckpointError, match="the callback `best` keeps one"):
        run.checkpoint("best")
    with pytest.raises(CheckpointError, match="is itself a checkpoint"):
        gankit.load(run.checkpoint("3"), "cpu", checkpoint="best")


def test_what_is_kept_for_ever_is_saved_whatever_else_is(tmp_path: Path) -> None:
    gankit.train(recipe(steps=5, save_every=4, keep=1, keep_every=3), tmp_path / "run")
    kept = [path.name for path in checkpoint.found(Run(tmp_path / "run").checkpoints)]
    assert kept == ["step_00000003", "step_00000005"]


@pytest.mark.parametrize("callback", [BEST, {"type": "early_stop", "metric": "l1"}], ids=lambda c: c["type"])
def test_who_watches_needs_a_figure(callback: dict[str, Any]) -> None:
    with pytest.raises(RecipeError, match="it watches a figure that nothing measures") as caught:
        assemble(recipe(callbacks=["tensorboard", callback]))
    assert caught.value.problems[0].path == "train.callbacks.1"


def test_a_figure_that_is_not_measured_ends_the_training_and_says_which_are(tmp_path: Path) -> None:
    measure = {"every": 1, "samples": 1}  # all that these data have, which are no pictures with holes
    with pytest.raises(gankit.GankitError, match=r"there is no figure called hole_psnr; measured: .*l1"):
        gankit.train(recipe(measure=measure, callbacks=[BEST | {"metric": "hole_psnr"}]), tmp_path / "run")


@pytest.mark.parametrize(
    ("callbacks", "place", "said"),
    [
        ([BEST | {"metric": "psnr"}], "0.metric", "does not measure 'psnr'; it can measure translation_error, l1"),
        ([BEST | {"direction": "b2c"}], "0.direction", "there is no direction 'b2c'; there are a2b, b2a"),
        (["tensorboard", BEST, BEST | {"metric": "l1"}], "2", "another `best` keeps a checkpoint already"),
    ],
    ids=["metric", "direction", "two"],
)
def test_who_watches_what_cannot_be_is_told_at_once(callbacks: list[Any], place: str, said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        assemble(recipe(measure=MEASURE, callbacks=callbacks))
    assert caught.value.problems[0].path == f"train.callbacks.{place}"


def event(step: int, value: float, better: str = "lower") -> Event:
    shared = {"metric": "m", "better": better}
    rows = [{**shared, "direction": way, "value": value + more} for way, more in (("a", 1), ("b", 3))]
    return Event("measured", Path(), {}, step=step, results=rows)


def test_best_and_early_stop_by_themselves() -> None:
    best, ends = Best(metric="m"), EarlyStop(metric="m", patience=2)
    events = [event(step, value) for step, value in enumerate([5, 4, 6, 4])]
    answers = [(best.measured(one), ends.measured(one)) for one in events]
    assert [isinstance(kept, Keep) for kept, _ in answers] == [True, True, False, False]
    assert best.best == 6 and best.best_step == 1
    assert [isinstance(stop, Stop) for _, stop in answers] == [False, False, False, True]
    again = EarlyStop(metric="m", patience=2)
    again.load_state_dict(ends.state_dict())
    assert isinstance(again.begin(event(4, 0)), Stop) and again.state_dict() == ends.state_dict()
    higher = Best(metric="m", direction="b")
    assert [higher.measured(event(s, v, "higher")) is not None for s, v in enumerate([1, 2, 1])] == [True, True, False]
    one = Best(metric="m", direction="b")  # which is 3 more than the value
    kept = [one.measured(event(s, v, "one")) is not None for s, v in enumerate([-1.8, -2.1, -2.3, -1.95])]
    assert kept == [True, True, False, True]


def test_a_resumed_run_that_watches_another_figure_begins_anew() -> None:
    best, ends = Best(metric="m"), EarlyStop(metric="m", patience=1)
    for step, value in enumerate([5, 6]):
        best.measured(event(step, value))
        ends.measured(event(step, value))
    for other in ({"metric": "n"}, {"metric": "m", "direction": "b"}):
        kept, stopped = Best(**other), EarlyStop(**other, patience=1)
        kept.load_state_dict(best.state_dict())
        stopped.load_state_dict(ends.state_dict())
        assert kept.best is None and stopped.begin(event(2, 0)) is None and stopped.since == 0


def test_a_figure_that_is_not_finite_is_never_the_best() -> None:
    best = Best(metric="m")
    answers = [best.measured(event(step, value)) for step, value in enumerate([math.nan, 5, math.inf, 4])]
    assert [isinstance(answer, Keep) for answer in answers] == [False, True, False, True]
    higher = Best(metric="m")
    answers = [higher.measured(event(step, value, "higher")) for step, value in enumerate([1, math.inf, 2])]
    assert [isinstance(answer, Keep) for answer in answers] == [True, False, True]


def test_an_early_end(tmp_path: Path) -> None:
    watch = {"type": "early_stop", "metric": "l1", "patience": 1}
    chosen = recipe(steps=40, measure={"every": 1, "samples": 1, "metrics": ["l1"]}, callbacks=[watch])
    model = gankit.train(chosen, tmp_path / "run")
    values = [sum(values) for _, values in figures(tmp_path / "run")]
    assert len(values) == model.step < 40 and values[-1] >= min(values[:-1])
    assert gankit.train(chosen, tmp_path / "run", resume=True).step == model.step  # it stays with its decision
