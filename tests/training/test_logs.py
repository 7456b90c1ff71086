"""What a training says on the terminal."""

from __future__ import annotations

import io
from pathlib import Path

import pytest
from rich.console import Console

import gankit
from gankit.training import logs
from gankit.training.logs import Log
from gankit.training.run import Run
from tests.training.tiny import recipe

LOSSES = {
    f"{side}/{term}/a2b": 0.5 for side in ("generator", "discriminator") for term in ("adversarial", "cycle", "cam")
}


def test_bar_step_and_time_left_survive_80_columns(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    console = Console(file=io.StringIO(), force_terminal=True, width=80, height=24, legacy_windows=False)
    monkeypatch.setattr(logs, "Console", lambda **_: console)
    run = Run(tmp_path / "run")
    run.path.mkdir()
    log = Log(run, 0, 200_000)
    log.step(123_456, LOSSES, 12.3)
    assert log._progress is not None
    shown = Console(file=io.StringIO(), width=80)
    shown.print(log._progress.get_renderable())
    log.close()
    bar, *losses = shown.file.getvalue().splitlines()  # pyright: ignore[reportAttributeAccessIssue]
    assert "123456/200000" in bar and "12.3 images/s" in bar and ":" in bar and len(bar) <= 80
    assert " ".join(" ".join(losses).split()) == " ".join(logs.brief(LOSSES).split())
    assert "…" not in "".join(losses)


def test_the_first_line_says_what_is_trained(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gankit.train(recipe(steps=1, log_every=1), tmp_path / "run")
    first = capsys.readouterr().err.splitlines()
    begins = [line for line in first if line.startswith("training ")]
    told = "cyclegan on 8 items of shapes; 1 step of 2, 4 an epoch, on cpu; written to"
    assert begins == [f"training tiny: {told} {tmp_path / 'run'}"]
    assert first.index(begins[0]) < next(i for i, line in enumerate(first) if line.startswith("step 1/1"))


def test_rows_of_one_metric_are_told_by_their_labels(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    run = Run(tmp_path / "run")
    run.path.mkdir()
    log = Log(run, 0, 10)
    rows = [{"metric": "mae", "direction": "a2b", "value": 1.5}]
    log.measured(5, [*rows, {**rows[0], "value": 2.5, "label": "outside"}])
    log.close()
    assert capsys.readouterr().err.splitlines()[-1] == "step 5/10  measured  mae a2b 1.5  mae outside a2b 2.5"
