"""What listens to a training hears all of it and changes nothing, unless it says so."""

from __future__ import annotations

import json
import random
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from torch import Tensor

import gankit
from gankit import api
from gankit.callbacks.base import EVENTS, Callback, Event, Stop
from gankit.core.catalogue import catalogue
from gankit.core.errors import CheckpointError, GankitError, RecipeError
from gankit.core.recipe import Recipe
from gankit.report.samples import Samples
from gankit.training import checkpoint
from gankit.training.assemble import assemble
from gankit.training.run import Run
from tests.installed import Site, install  # noqa: F401
from tests.training.conftest import Killed
from tests.training.test_distributed import launch
from tests.training.tiny import NOISY, digests, lines, recipe

HEARD: list[tuple[str, Event]] = []
"""All that the callbacks of these tests have heard, with their labels."""


class Ear(Callback):
    """Notes every event and counts the steps."""

    def __init__(self, label: str = "ear") -> None:
        self.label, self.count, self.loaded = label, 0, False
        self.drawn = torch.zeros(2)

    def begin(self, event: Event) -> Stop | None:
        HEARD.append((self.label, event))
        return None

    log = checkpoint = sample = measured = evaluated = begin

    def step(self, event: Event) -> Stop | None:
        self.count += 1
        return self.begin(event)

    def end(self, event: Event) -> None:
        HEARD.append((self.label, event))

    def state_dict(self) -> dict[str, Any]:
        return {"count": self.count, "drawn": self.drawn, "nested": {"pair": (1, None)}}

    def load_state_dict(self, state: Any) -> None:
        assert state["nested"] == {"pair": (1, None)}
        self.count, self.drawn, self.loaded = state["count"], state["drawn"], True


class Meddler(Ear):
    """Tries all that it could do to a training."""

    def __init__(self) -> None:
        super().__init__("meddler")

    def step(self, event: Event) -> Stop | None:
        random.random()
        np.random.rand()
        torch.manual_seed(99)
        torch.rand(7)
        torch.set_grad_enabled(False)
        torch.set_default_dtype(torch.float64)
        print("to stdout")
        event.losses.clear()  # type: ignore[attr-defined]
        event.recipe["train"]["seed"] = 17  # type: ignore[index]
        if event.picture:
            event.picture.paste(0, (0, 0, 9, 9))
        assert event.method is None
        HEARD.append(("meddler", event))

    begin = log = checkpoint = sample = measured = evaluated = step


class Fails(Ear):
    """Raises at one event."""

    def __init__(self, at: str = "step", label: str = "fails") -> None:
        super().__init__(label)
        self.at = at

    def begin(self, event: Event) -> Stop | None:
        if event.name == self.at:
            raise OSError("the server\nis gone")
        return super().begin(event)

    log = checkpoint = sample = measured = evaluated = begin

    def end(self, event: Event) -> None:
        self.begin(event)

    def state_dict(self) -> dict[str, Any]:
        return {"bad": object()} if self.at == "state_dict" else super().state_dict()


class Judge(Fails):
    """Ends the training after `patience` steps, and stays with it."""

    may_stop: ClassVar[bool] = True

    def __init__(self, patience: int = 3, at: str = "never", label: str = "judge") -> None:
        super().__init__(at, label)
        self.patience = patience

    def step(self, event: Event) -> Stop | None:
        super().step(event)
        return Stop("enough") if self.count >= self.patience else None

    def begin(self, event: Event) -> Stop | None:
        super().begin(event)
        return Stop("enough") if self.count >= self.patience else None


class Pretender(Judge):
    """Asks for the end without having said that it may."""

    may_stop: ClassVar[bool] = False


class Gardener(Ear):
    """Shrinks the weights."""

    changes_training: ClassVar[bool] = True

    def __init__(self, by: float = 0.9) -> None:
        super().__init__()
        self.by = by

    def step(self, event: Event) -> Stop | None:
        for p in event.method.networks.parameters():
            p.mul_(self.by)
        return super().step(event)


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    for make in (Ear, Meddler, Fails, Judge, Pretender, Gardener):
        gankit.register("callback", make.__name__.lower())(make)
    gankit.register("callback", "deaf")(Deaf)
    yield
    HEARD.clear()
    catalogue.cache_clear()


class Deaf:
    """No callback at all."""


def heard(label: str = "ear") -> list[Event]:
    return [event for name, event in HEARD if name == label]


def names_of(label: str = "ear") -> list[tuple[str, int]]:
    return [(event.name, event.step) for event in heard(label)]


# -- what it hears -----------------------------------------------------------------------------------------------------
def test_every_event_in_its_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    rows = [
        {"metric": "psnr", "direction": "a2b", "value": 3, "interval": None},
        {"metric": "kid", "direction": None, "value": None, "unavailable": "too few"},
    ]
    monkeypatch.setattr(api, "_finish", lambda run, device: rows)
    chosen = recipe(
        steps=4, log_every=2, save_every=3, sample_every=4, callbacks=["ear"], measure={"every": 4, "metrics": ["l1"]}
    )
    gankit.train(chosen, tmp_path / "run")
    one = [("step", 1), ("step", 2), ("log", 2), ("step", 3), ("checkpoint", 3), ("step", 4), ("log", 4)]
    after = [(name, 4) for name in ("checkpoint", "sample", "measured", "evaluated", "end")]
    assert names_of() == [("begin", 0), *one, *after]
    begin, log, saved, sample, measured, evaluated, end = (
        next(event for event in heard() if event.name == name) for name in EVENTS if name != "step"
    )
    assert begin.run == tmp_path / "run" and begin.recipe == Recipe.load(chosen).filled() and begin.total == 4
    (line, *_), last = lines(tmp_path / "run"), heard()[-6]
    assert (log.losses, log.rates) == (line["losses"], line["lr"]) and log.seconds >= line["time"] - 0.001
    assert log.watched == line["watched"] and len(log.watched) == 4
    named = {"images_per_second", "lr/generator", "lr/discriminator", *(f"losses/{name}" for name in line["losses"])}
    assert log.scalars.keys() == named | {f"critics/{way}/{of}" for way in ("a2b", "b2a") for of in ("real", "fake")}
    assert last.name == "log" and last.epoch == 0
    assert saved.file == tmp_path / "run" / "checkpoints" / "step_00000003"
    assert sample.file == tmp_path / "run" / "samples" / "step_000004.png"
    assert sample.picture is not None and sample.picture.mode == "RGB"
    assert evaluated.scalars == {"evaluation/psnr/a2b": 3.0} and len(evaluated.results) == 2
    assert set(measured.scalars) == {"measured/l1/a2b", "measured/l1/b2a"}
    assert end.outcome == "done" and all(event.method is None for event in heard())


def test_rows_of_one_metric_have_scalars_of_their_own(tmp_path: Path) -> None:
    rows = [{"metric": "psnr", "direction": "a2b", "value": 1.0}]
    rows += [{**rows[0], "value": 2.0, "label": "hole (0.1, 0.2]"}]
    event = Event("measured", tmp_path, {}, 1, 2, results=rows)
    assert event.scalars == {"measured/psnr/a2b": 1.0, "measured/psnr hole_0.1_0.2/a2b": 2.0}


def test_the_default_is_tensorboard_and_an_empty_list_nothing(tmp_path: Path) -> None:
    assert [spec.type for spec in Recipe.load(recipe()).train.callbacks] == ["gankit/tensorboard"]
    gankit.train(recipe(steps=1, callbacks=[]), tmp_path / "quiet")
    assert not (tmp_path / "quiet" / "tensorboard").exists()


def test_an_interrupted_and_a_failed_training_say_so(tmp_path: Path, kill_after: Callable[[int], None]) -> None:
    kill_after(2)
    with pytest.raises(Killed):
        gankit.train(recipe(save_every=2, callbacks=["ear"]), tmp_path / "run")
    assert heard()[-1].outcome == "failed"


# -- what it cannot do -------------------------------------------------------------------------------------------------
def test_a_callback_changes_no_bit(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    often = {"log_every": 1, "sample_every": 2, "save_every": 2, "ema": 0.9}
    gankit.train(recipe(NOISY, callbacks=[], **often), tmp_path / "alone")
    capsys.readouterr()
    gankit.train(recipe(NOISY, callbacks=["meddler", "ear"], **often), tmp_path / "run")
    assert digests(tmp_path / "run") == digests(tmp_path / "alone")
    out, err = capsys.readouterr()
    assert "to stdout" not in out and "to stdout" in err
    assert names_of("meddler") == names_of() and len(names_of()) == 1 + 6 + 6 + 3 + 3 + 1
    assert all(event.losses for event in heard() if event.name == "log")
    assert all(event.recipe["train"]["seed"] == 0 for event in heard())
    ours, theirs = (Run(tmp_path / name).sample(6).read_bytes() for name in ("run", "alone"))
    assert ours == theirs


@pytest.mark.parametrize("at", [*(name for name in EVENTS if name != "step"), "state_dict"])
def test_one_that_fails_costs_a_line(at: str, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch) -> None:
    monkeypatch.setattr(api, "_finish", lambda run, device: [{"metric": "psnr", "direction": "a2b", "value": 3}])
    often = {"log_every": 1, "save_every": 1, "sample_every": 1, "measure": {"every": 1, "metrics": ["l1"]}}
    chosen = recipe(callbacks=[{"type": "fails", "at": at}, "ear"], steps=2, **often)
    assert gankit.train(chosen, tmp_path / "run").step == 2
    said = [line for line in capsys.readouterr().err.splitlines() if "callback" in line]
    why = "TypeError: /bad holds a object" if at == "state_dict" else "OSError: the server"
    assert len(said) == 1 and f"the callback local/fails is left out from here on: {at}: {why}" in said[0]
    assert names_of()[-1] == ("end", 2)
    after = [event for event in heard("fails") if event.name == at]
    assert not after
    if at in ("log", "checkpoint", "sample", "measured"):
        assert names_of("fails")[-1][1] <= 1  # it heard no more


@pytest.mark.parametrize("at", ["log", "state_dict"])
def test_one_on_which_the_training_depends_ends_it(at: str, tmp_path: Path) -> None:
    judge = {"type": "judge", "at": at, "patience": 99}
    with pytest.raises(GankitError, match=f"the callback local/judge failed at {at}: .*--resume"):
        gankit.train(recipe(log_every=2, save_every=1, callbacks=[judge, "ear"]), tmp_path / "run")
    assert heard()[-1].outcome == "failed"


def test_one_that_is_no_callback_is_refused_at_its_place(tmp_path: Path) -> None:
    with pytest.raises(
        RecipeError, match=r"local/deaf does not derive from gankit\.callbacks\.base\.Callback"
    ) as error:
        gankit.train(recipe(callbacks=["ear", "deaf"]), tmp_path / "run")
    assert error.value.problems[0].path == "train.callbacks.1"
    with pytest.raises(RecipeError, match=r"train\.callbacks\.0.*no callback is called 'ears'; did you mean 'ear'"):
        assemble(recipe(callbacks=["ears"]))


def test_building_callbacks_draws_no_weights() -> None:
    class Draws(Callback):
        """Draws while it is made."""

        def __init__(self) -> None:
            torch.rand(3)

    gankit.register("callback", "draws")(Draws)
    weights = []
    for callbacks in ([], ["draws"]):
        torch.manual_seed(0)
        assemble(recipe(callbacks=callbacks))
        weights.append(torch.rand(2))
    assert torch.equal(*weights)


# -- state -------------------------------------------------------------------------------------------------------------
def test_its_state_is_resumed(tmp_path: Path, kill_after: Callable[[int], None]) -> None:
    two = [{"type": "ear", "label": "one"}, {"type": "ear", "label": "two"}]
    chosen = recipe(save_every=2, callbacks=two)
    kill_after(4)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "run")
    path = Run(tmp_path / "run").latest()
    assert path is not None
    stored = checkpoint.load(path)
    assert [entry["state"]["count"] for entry in stored.state["callbacks"]] == [4, 4]
    stored.state["callbacks"][1]["state"]["count"] = 40
    checkpoint.save(path.parent, stored)
    HEARD.clear()
    gankit.train(recipe(save_every=2, callbacks=[*two, "ear"]), tmp_path / "run", resume=True)  # one more
    assert names_of("one")[0] == ("begin", 4)
    last = checkpoint.load(Run(tmp_path / "run").latest() or path)
    assert [entry["state"]["count"] for entry in last.state["callbacks"]] == [6, 42, 2]
    assert isinstance(last.state["callbacks"][0]["state"]["drawn"], Tensor)


@pytest.mark.parametrize("taken", [[], ["ear"], ["tensorboard", "ear"]])
def test_callbacks_may_come_and_go(taken: list[str], tmp_path: Path) -> None:
    gankit.train(recipe(steps=2, callbacks=["ear", "ear"]), tmp_path / "run")
    gankit.train(recipe(steps=3, callbacks=taken), tmp_path / "run", resume=True)
    alone = gankit.train(recipe(steps=3, callbacks=[]), tmp_path / "alone")
    assert digests(tmp_path / "run") == digests(alone.run_dir)


# -- what it may do ----------------------------------------------------------------------------------------------------
def test_one_that_may_stop_ends_the_training(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    model = gankit.train(recipe(callbacks=["judge", "ear"]), tmp_path / "run")
    assert model.step == 3 and heard()[-1].outcome == "stopped"
    assert "stopped after step 3: enough (local/judge)" in capsys.readouterr().err
    again = gankit.train(recipe(callbacks=["judge"]), tmp_path / "run", resume=True)  # it stays with its decision
    assert again.step == 3
    on = gankit.train(recipe(callbacks=[{"type": "judge", "patience": 5}]), tmp_path / "run", resume=True)
    assert on.step == 5


def test_one_that_was_killed_when_it_had_decided_ends_there(tmp_path: Path, kill_after: Callable[[int], None]) -> None:
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(recipe(callbacks=["judge"]), tmp_path / "run")
    assert gankit.train(recipe(callbacks=["judge"]), tmp_path / "run", resume=True).step == 3


def test_one_that_ends_it_at_once_leaves_a_checkpoint(tmp_path: Path) -> None:
    assert gankit.train(recipe(callbacks=[{"type": "judge", "patience": 0}]), tmp_path / "run").step == 0


def test_one_that_did_not_say_so_ends_nothing(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert gankit.train(recipe(callbacks=["pretender"]), tmp_path / "run").step == 6
    said = [line for line in capsys.readouterr().err.splitlines() if "pretender" in line]
    assert len(said) == 1 and "does not declare `may_stop`" in said[0]


def test_one_that_says_so_changes_the_training(tmp_path: Path, kill_after: Callable[[int], None]) -> None:
    gankit.train(recipe(callbacks=[]), tmp_path / "plain")
    chosen = recipe(callbacks=["gardener"], save_every=3)
    gankit.train(chosen, tmp_path / "alone")
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    for other in ([], [{"type": "gardener", "by": 0.5}]):
        with pytest.raises(CheckpointError, match=r"callbacks that change the training are not those.*gardener"):
            gankit.train(recipe(callbacks=other, save_every=3), tmp_path / "killed", resume=True)
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone") != digests(tmp_path / "plain")


# -- several processes -------------------------------------------------------------------------------------------------
def register_judge() -> None:
    gankit.register("callback", "judge")(Judge)


def test_only_the_first_process_calls_and_all_end_with_it(tmp_path: Path) -> None:
    launch(recipe(batch_size=1, callbacks=["judge"]), "run", before=register_judge)
    stored = checkpoint.load(Run(tmp_path / "run").latest() or tmp_path)
    assert stored.step == 3 and stored.state["callbacks"][0]["state"]["count"] == 3


# -- samples -----------------------------------------------------------------------------------------------------------
def test_a_grid_that_fails_costs_a_line_and_no_checkpoint(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    there: list[bool] = []

    def grid(self: Samples, method: Any) -> None:
        there.append(Run(tmp_path / "run").latest() is not None)
        raise RuntimeError("no room\nfor it")

    monkeypatch.setattr(Samples, "grid", grid)
    chosen = recipe(NOISY, sample_every=2, save_every=4, ema=0.9, callbacks=["ear"])
    gankit.train(chosen, tmp_path / "run")
    assert there == [True] * 3
    assert capsys.readouterr().err.count("there is no sample grid: RuntimeError: no room") == 3
    assert [event.step for event in heard() if event.name == "checkpoint"] == [2, 4, 6]
    assert not [event for event in heard() if event.name == "sample"]
    monkeypatch.undo()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(api, "_finish", lambda run, device: None)
    gankit.train(chosen, tmp_path / "fine")
    assert digests(tmp_path / "run") == digests(tmp_path / "fine")


# -- of a plugin -------------------------------------------------------------------------------------------------------
HOOKS = """
    from gankit import hookimpl

    @hookimpl
    def gankit_components(add):
        add("callback", "diary", "{module}.parts:Diary", "a file of lines")
"""
PARTS = textwrap.dedent(
    '''
    import json
    from typing import Annotated

    from gankit.callbacks.base import Callback, Event
    from gankit.slots import Ge

    class Diary(Callback):
        """A file of JSON lines in the run. gankit's tests."""

        def __init__(self, digits: Annotated[int, Ge(1)] = 3) -> None:
            self.digits, self.lines = digits, 0

        def log(self, event: Event) -> None:
            self.lines += 1
            rounded = {name: round(value, self.digits) for name, value in event.losses.items()}
            with open(event.run / "diary.jsonl", "a") as file:
                file.write(json.dumps({"line": self.lines, "step": event.step, **rounded}) + "\\n")

        def state_dict(self):
            return {"lines": self.lines}

        def load_state_dict(self, state):
            self.lines = state["lines"]
    '''
)


def test_a_tracker_of_a_plugin_by_its_name(install: Site, tmp_path: Path) -> None:  # noqa: F811
    install("pp-diary", HOOKS, files={"parts.py": PARTS})
    chosen = recipe(steps=2, log_every=1, callbacks=["tensorboard", {"type": "diary", "digits": 2}])
    gankit.train(chosen, tmp_path / "run")
    gankit.train(chosen | {"train": chosen["train"] | {"steps": 4}}, tmp_path / "run", resume=True)
    written = [json.loads(line) for line in (tmp_path / "run" / "diary.jsonl").read_text().splitlines()]
    assert [(line["line"], line["step"]) for line in written] == [(1, 1), (2, 2), (3, 3), (4, 4)]
    stored = json.loads(Run(tmp_path / "run").recipe.read_text())
    assert stored["train"]["callbacks"][1] == {"type": "pp-diary/diary", "digits": 2}
    assert stored["versions"]["pp-diary"] == "1.2"
    install.remove("pp-diary")
    assert gankit.load(tmp_path / "run", device="cpu").step == 4
