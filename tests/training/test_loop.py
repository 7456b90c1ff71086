from __future__ import annotations

import multiprocessing
import os
import signal
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from torch import Tensor, nn

import gankit
from gankit.core.catalogue import catalogue
from gankit.core.errors import GankitError, TrainingError
from gankit.training import checkpoint, loop
from gankit.training.logs import Log, brief, duration
from gankit.training.run import Run
from tests.training.tiny import AGIT, CYCLE, digests, lines, recipe


class TurnsNaN(nn.Module):
    """Fine until it has been computed as often as `calls` says (twice a step: once a direction).

    calls: how often.
    """

    def __init__(self, calls: int = 8, gradient: bool = False) -> None:
        super().__init__()
        self.left, self.gradient = calls, gradient

    def forward(self, output: Tensor) -> Tensor:
        self.left -= 1
        if self.left >= 0:
            return output.mean()
        return (output - output).abs().sum().sqrt() if self.gradient else output.mean() * torch.nan


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gankit.register("loss", "turns_nan")(TurnsNaN)
    yield
    catalogue.cache_clear()


def saved(path: Path) -> list[str]:
    return [p.name for p in checkpoint.found(Run(path).checkpoints)]


def test_a_loss_that_turns_nan_stops_the_run(tmp_path: Path) -> None:
    chosen = recipe(losses=CYCLE | {"odd": "turns_nan"}, save_every=2)
    with pytest.raises(TrainingError, match=r"step 5: the loss generator/odd/a2b .*became nan.*step_00000004"):
        gankit.train(chosen, tmp_path / "run")
    assert saved(tmp_path / "run") == ["step_00000002", "step_00000004"]


def test_a_gradient_that_is_nan_never_reaches_a_checkpoint(tmp_path: Path) -> None:
    """The losses of that step are finite, its weights are not."""
    odd = {"type": "turns_nan", "calls": 10, "gradient": True}
    with pytest.raises(TrainingError, match=r"step 6: generator_a2b.* holds NaN.*step_00000004"):
        gankit.train(recipe(losses=CYCLE | {"odd": odd}, save_every=2), tmp_path / "run")
    assert saved(tmp_path / "run") == ["step_00000002", "step_00000004"]


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_finishes_the_step_and_saves(
    number: signal.Signals, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    gankit.train(recipe(), tmp_path / "alone")
    log_line = Log.step

    def interrupt(self: Log, step: int, *rest: object) -> None:
        log_line(self, step, *rest)  # type: ignore[arg-type]
        if step == 2:
            os.kill(os.getpid(), number)

    before = signal.getsignal(number)
    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt, match="everything is saved"):
        patch.setattr(Log, "step", interrupt)
        gankit.train(recipe(), tmp_path / "run")
    assert saved(tmp_path / "run") == ["step_00000002"]
    assert signal.getsignal(number) is before
    gankit.train(recipe(), tmp_path / "run", resume=True)
    assert digests(tmp_path / "run") == digests(tmp_path / "alone")


def test_workers_outlive_a_signal_that_goes_to_the_whole_group(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    log_line = Log.step

    def interrupt(self: Log, step: int, *rest: object) -> None:
        log_line(self, step, *rest)  # type: ignore[arg-type]
        if step == 1:
            processes = [child.pid for child in multiprocessing.active_children()] + [os.getpid()]
            assert len(processes) == 3
            subprocess.run(["kill", "-s", "TERM", *map(str, processes)], check=True)  # not by their parent

    monkeypatch.setattr(Log, "step", interrupt)
    with pytest.raises(KeyboardInterrupt, match="everything is saved"):
        gankit.train(recipe(workers=2), tmp_path / "run")
    assert saved(tmp_path / "run")
    assert not multiprocessing.active_children()


def test_the_second_signal_ends_at_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt_twice(self: Log, *_: object) -> None:
        os.kill(os.getpid(), signal.SIGINT)
        os.kill(os.getpid(), signal.SIGINT)

    monkeypatch.setattr(Log, "step", interrupt_twice)
    with pytest.raises(KeyboardInterrupt):
        gankit.train(recipe(), tmp_path / "run")
    assert saved(tmp_path / "run") == []


def test_what_a_run_writes(tmp_path: Path) -> None:
    gankit.train(recipe(method=AGIT, log_every=2, sample_every=3, save_every=4, steps=8), tmp_path / "run")
    names = {str(p.relative_to(tmp_path / "run")) for p in (tmp_path / "run").rglob("*") if "tfevents" not in p.name}
    assert {"recipe.yaml", "recipe.json", "metrics.jsonl", "samples/step_000003.png"} <= names
    assert not [name for name in names if name.endswith((".part", ".old"))]
    assert list((tmp_path / "run" / "tensorboard").iterdir())
    found = lines(tmp_path / "run")
    assert [(line["step"], line["epoch"]) for line in found] == [(2, 0), (4, 0), (6, 1), (8, 1)]
    assert set(found[0]) == {"step", "epoch", "time", "lr", "losses", "images_per_second", "watched"}
    assert set(found[0]["lr"]) == {"generator", "discriminator"}
    assert set(found[0]["losses"]) >= {"generator/cycle/a2b", "discriminator/adversarial/b2a"}


def test_the_rate_follows_the_schedule(tmp_path: Path) -> None:
    """8 pictures in batches of 2: 4 steps an epoch. CycleGAN's decay of 4 epochs, from the second half on."""
    gankit.train(recipe(steps=None, epochs=4, log_every=4, schedule="linear"), tmp_path / "run")
    assert [line["lr"]["generator"] / 2e-4 for line in lines(tmp_path / "run")] == pytest.approx([1, 1, 2 / 3, 1 / 3])


def test_a_single_epoch_is_not_spent_at_rate_zero(tmp_path: Path) -> None:
    gankit.train(
        recipe(steps=2, schedule={"type": "linear", "convention": "epoch_start"}, log_every=1), tmp_path / "run"
    )
    assert all(line["lr"]["generator"] > 0 for line in lines(tmp_path / "run"))


def test_an_epoch_can_be_longer_than_the_data(tmp_path: Path) -> None:
    gankit.train(recipe(steps=None, epochs=2, steps_per_epoch=5, log_every=1), tmp_path / "run")
    assert [line["epoch"] for line in lines(tmp_path / "run")] == [0] * 5 + [1] * 5


def test_a_full_disk_stops_with_a_reason(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    class Full:
        """As a buffered file: closing it tries once more to write."""

        def write(self, text: str) -> None: ...

        def flush(self) -> None:
            raise OSError(28, "No space left on device")

        close = flush

    made = Log.__init__

    def full(self: Log, *args: object) -> None:
        made(self, *args)  # type: ignore[arg-type]
        self._file.close()
        self._file = Full()

    monkeypatch.setattr(Log, "__init__", full)
    with pytest.raises(GankitError, match=r"metrics.jsonl: cannot be written: no space left on device; make room"):
        gankit.train(recipe(log_every=1), tmp_path / "run")


def test_losses_in_brief() -> None:
    losses = {"generator/cycle/a2b": 1.0, "generator/cycle/b2a": 0.25, "discriminator/adversarial/a2b": 0.5}
    assert brief(losses) == "generator cycle 1.25  discriminator adversarial 0.5"
    assert [duration(s) for s in (40, 601, 7260)] == ["40 s", "11 min", "2 h 01 min"]


def test_a_training_may_begin_within_its_schedule(tmp_path: Path) -> None:
    options = {"steps": 6, "steps_per_epoch": 2, "log_every": 1, "schedule": {"type": "linear", "decay_from": 0.0}}
    gankit.train(recipe(**options), tmp_path / "whole")
    model = gankit.train(recipe(**options, first_epoch=2), tmp_path / "late")
    late, whole = (lines(tmp_path / name) for name in ("late", "whole"))
    assert model.step == 6 and [line["step"] for line in late if "lr" in line] == [5, 6]
    assert [line["lr"] for line in late if "lr" in line] == [line["lr"] for line in whole if "lr" in line][-2:]
    with pytest.raises(GankitError, match="nothing is left of 6 steps after 3 epochs of 6 steps"):
        gankit.train(recipe(**options, first_epoch=3), tmp_path / "never")
    with pytest.raises(GankitError, match="nothing is left of 2 epochs after 2"):
        gankit.build(recipe(steps=None, epochs=2, first_epoch=2))


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_order_of_the_items_may_be_that_of_the_data(
    shuffle: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = []
    make = loop.make_loader
    monkeypatch.setattr(loop, "make_loader", lambda *a, **k: asked.append(k["shuffle"]) or make(*a, **k))
    gankit.train(recipe(steps=1, shuffle=shuffle), tmp_path / "run")
    assert set(asked) == {shuffle}
