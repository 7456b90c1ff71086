"""A run that was stopped and resumed ends with the bytes of one left alone."""

from __future__ import annotations

import itertools
import os
import signal
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import yaml
from PIL import Image

import gankit
from gankit.cli.main import main
from gankit.core.errors import CheckpointError, RecipeError
from gankit.training import checkpoint
from gankit.training.run import Run
from gankit.training.step import Stepper
from tests.processes import Other
from tests.training.conftest import Killed
from tests.training.tiny import AGIT, CYCLE, MUNIT, NOISY, PAIRED, STYLED, UGATIT, digests, lines, recipe

SCHEDULE_FREE = {"type": "schedule_free_adamw", "lr": 0.01}
PLATEAU = {"type": "plateau", "watch": "generator/cycle/a2b", "patience": 0, "threshold": 0.9}  # no epoch is better
OPTIONS: dict[str, dict[str, Any]] = {
    "dropout, pool, average": {"method": NOISY, "ema": 0.9},
    "workers": {"workers": 2},
    "phases, frozen attention": {"method": AGIT},
    "in the second phase": {"method": AGIT, "steps_per_epoch": 2},
    "accumulation, clipping": {"accumulate": 3, "batch_size": 1, "clip_norm": 0.1},
    "bf16": {"precision": "bf16"},
    "fp16, scaled": {"precision": "fp16"},
    "cosine by steps": {"schedule": {"type": "cosine", "every": "step", "decay_from": 0.2}},
    "tf_adam, one count for all turns": {"method": AGIT | {"alternate": True}, "optimizer": {"type": "tf_adam"}},
    "momentum": {"optimizer": {"type": "sgd", "lr": 0.01, "momentum": 0.9}},
    "batch norm, noise at test": {"method": PAIRED, "losses": {"adversarial": "vanilla", "l1": "l1"}, "ema": 0.5},
    "styles drawn, steps": {"method": MUNIT, "losses": STYLED, "schedule": {"type": "step", "drop_every": 1}},
    "joined calls, activations computed again": {"join_calls": True, "checkpoint_activations": True},
    "memory format": {"channels_last": True},
    "an optimizer that averages": {"method": UGATIT, "losses": CYCLE | {"cam": "cam"}, "optimizer": SCHEDULE_FREE},
    "a plateau in the middle of an epoch": {"steps_per_epoch": 2, "schedule": PLATEAU},
    "a plateau at an epoch's end, behind a warm-up": {
        "steps_per_epoch": 3,
        "schedule": {"type": "warmup", "steps": 2, "then": PLATEAU},
    },
    "begun inside of a schedule": {
        "first_epoch": 1,
        "steps_per_epoch": 2,
        "schedule": {"type": "linear", "decay_from": 0.0},
    },
    "AdaLIN, CAM": {"method": UGATIT, "losses": CYCLE | {"cam": "cam"}},
}


@pytest.mark.parametrize("options", OPTIONS.values(), ids=OPTIONS.keys())
def test_resume_ends_with_the_same_bytes(options: dict, kill_after: Callable[[int], None], tmp_path: Path) -> None:
    chosen = recipe(**{"save_every": 3} | options)
    gankit.train(chosen, tmp_path / "alone")
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    model = gankit.train(chosen, tmp_path / "killed", resume=True)
    assert model.step == 6
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")


def test_a_resumed_run_may_save_memory_and_tell_more(kill_after: Callable[[int], None], tmp_path: Path) -> None:
    gankit.train(recipe(save_every=3), tmp_path / "alone")
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(recipe(save_every=3), tmp_path / "killed")
    more = {"checkpoint_activations": True, "watch": ["gradients"]}
    gankit.train(recipe(save_every=3, **more), tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")
    with pytest.raises(RecipeError, match=r"train\.join_calls"):
        gankit.train(recipe(save_every=3, join_calls=True), tmp_path / "killed", resume=True)


def test_the_seed_matters(tmp_path: Path) -> None:
    for seed in (0, 1):
        gankit.train(recipe(steps=1, seed=seed), tmp_path / str(seed))
    assert digests(tmp_path / "0") != digests(tmp_path / "1")


@pytest.mark.parametrize(
    ("method", "losses", "options"),
    [
        (NOISY, CYCLE, {"ema": 0.9}),
        (PAIRED, {"adversarial": "vanilla", "l1": "l1"}, {"ema": 0.9}),
        (NOISY, CYCLE, {"optimizer": SCHEDULE_FREE}),
        (NOISY, CYCLE, {"schedule": PLATEAU, "steps_per_epoch": 2}),
    ],
    ids=["average", "batch norm", "an optimizer that averages", "plateau"],
)
def test_logging_and_sampling_change_no_bit(method: dict, losses: dict, options: dict, tmp_path: Path) -> None:
    chosen = recipe(method, losses, **options)
    often = {"log_every": 1, "sample_every": 1, "save_every": 1, "watch": ["gradients", "rho"]}
    gankit.train(chosen, tmp_path / "quiet")
    gankit.train(chosen | {"train": chosen["train"] | often}, tmp_path / "loud")
    assert digests(tmp_path / "quiet") == digests(tmp_path / "loud")


def test_workers_and_where_pictures_are_kept_change_no_bit(kill_after: Callable[[int], None], tmp_path: Path) -> None:
    for domain, i in itertools.product("AB", range(5)):
        pixels = np.random.default_rng(i).integers(0, 256, (20, 24 + i, 3), dtype=np.uint8)
        (tmp_path / f"train{domain}").mkdir(exist_ok=True)
        Image.fromarray(pixels).save(tmp_path / f"train{domain}" / f"{i}.jpg")
    data = {"type": "unpaired", "root": str(tmp_path), "load_size": 18, "crop_size": 16}

    def chosen(cache: str, **train: Any) -> dict[str, Any]:
        kept = {"cache": cache, "cache_folder": str(tmp_path / "kept")}
        return {**recipe(steps=7, batch_size=1, save_every=2, **train), "data": data | kept}

    gankit.train(chosen("none"), tmp_path / "alone")
    kill_after(4)
    with pytest.raises(Killed):
        gankit.train(chosen("disk", workers=2), tmp_path / "killed")
    gankit.train(chosen("ram", workers=1, place="device"), tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")


def test_the_log_goes_on_where_the_checkpoint_is(kill_after: Callable[[int], None], tmp_path: Path) -> None:
    chosen = recipe(log_every=2, sample_every=1, save_every=3, watch=["gradients"])
    gankit.train(chosen, tmp_path / "alone")
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    with Run(tmp_path / "killed").metrics.open("a") as file:
        file.write('{"step": 5, "losses": {}}\n{"step": 6, "los')  # written after the checkpoint, the last cut short
    gankit.train(chosen, tmp_path / "killed", resume=True)
    ours, alone = lines(tmp_path / "killed"), lines(tmp_path / "alone")
    assert [line["step"] for line in ours] == [2, 4, 6]
    for told in ("losses", "watched"):  # means over the interval, too
        assert [line[told] for line in ours] == [line[told] for line in alone]
    assert "gradients/generator_a2b" in ours[0]["watched"]
    assert len(list((tmp_path / "killed" / "samples").glob("*.png"))) == 6


def test_killed_before_the_first_checkpoint(tmp_path: Path) -> None:
    chosen = recipe(steps=2)
    gankit.train(chosen, tmp_path / "alone")
    (tmp_path / "killed").mkdir()
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")


def test_killed_before_the_first_checkpoint_inside_of_a_schedule(tmp_path: Path) -> None:
    chosen = recipe(steps=4, steps_per_epoch=2, first_epoch=1, sample_every=2, log_every=1)
    gankit.train(chosen, tmp_path / "alone")
    (tmp_path / "killed").mkdir()
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")
    assert [line["step"] for line in lines(tmp_path / "killed")] == [3, 4]
    assert [path.name for path in (tmp_path / "killed" / "samples").iterdir()] == [Run(tmp_path).sample(4).name]


def test_a_longer_training_may_go_on(tmp_path: Path) -> None:
    gankit.train(recipe(steps=2, schedule="constant"), tmp_path / "run")
    model = gankit.train(recipe(steps=3, schedule="constant", keep=5), tmp_path / "run", resume=True)
    assert model.step == 3
    assert model.recipe.train.steps == 3


def test_another_recipe_is_refused_by_what_differs(tmp_path: Path) -> None:
    gankit.train(recipe(steps=1), tmp_path / "run")
    other = recipe(steps=1, batch_size=1, pool_size=7, workers=1)
    with pytest.raises(RecipeError) as caught:
        gankit.train(other, tmp_path / "run", resume=True)
    assert [p.path for p in caught.value.problems] == ["train.batch_size", "train.pool_size"]
    assert "is 1, but the run in" in str(caught.value)
    assert "was trained with 2" in str(caught.value)


def test_other_circumstances_are_refused(tmp_path: Path) -> None:
    gankit.train(recipe(steps=1), tmp_path / "run")
    path = Run(tmp_path / "run").latest()
    assert path is not None
    stored = checkpoint.load(path)
    stored.info["items"] = 99
    checkpoint.save(path.parent, stored)
    with pytest.raises(CheckpointError, match="99 training pictures and there are 8 now"):
        gankit.train(recipe(steps=2), tmp_path / "run", resume=True)


@pytest.mark.parametrize("fewer", [{"steps": 1}, {"steps": None, "epochs": 1}], ids=["steps", "epochs"])
def test_a_run_that_has_more_steps_already_is_refused_as_it_is(tmp_path: Path, fewer: dict[str, Any]) -> None:
    once = {"steps_per_epoch": 1}
    gankit.train(recipe(steps=3, **once), tmp_path / "run")
    before = {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()}
    place = next(iter(reversed(fewer)))
    with pytest.raises(RecipeError, match=rf"train\.{place}.* asks for 1 step in all, and .*run has 3 already"):
        gankit.train(recipe(**once, **fewer), tmp_path / "run", resume=True)
    assert {path: path.read_bytes() for path in (tmp_path / "run").rglob("*") if path.is_file()} == before


def test_a_finished_run_has_nothing_left_to_train(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    gankit.train(recipe(steps=2), tmp_path / "run")
    before = digests(tmp_path / "run")
    capsys.readouterr()
    gankit.train(recipe(steps=2), tmp_path / "run", resume=True)
    assert "run has all 2 steps of tiny: there is nothing left to train" in capsys.readouterr().err
    assert digests(tmp_path / "run") == before


def test_a_damaged_checkpoint_is_named(tmp_path: Path) -> None:
    gankit.train(recipe(steps=2, save_every=1), tmp_path / "run")
    newest = tmp_path / "run" / "checkpoints" / "step_00000002" / "state.safetensors"
    newest.write_bytes(newest.read_bytes()[:100])
    with pytest.raises(CheckpointError, match=r"step_00000002/state.safetensors.*go on from step_00000001"):
        gankit.train(recipe(steps=3, save_every=1), tmp_path / "run", resume=True)


# -- with real processes -----------------------------------------------------------------------------------------------
def signalled(arguments: list[str], number: int, at: int, writes: int) -> None:
    """`gankit` in a process that, in a step, sends itself a signal when it has begun so many writes."""
    step, left = Stepper.step, -1

    def stepped(self: Stepper, batches: Any) -> Any:
        nonlocal left
        if self.steps + 1 == at:
            left = writes
        return step(self, batches)

    def watch(event: str, given: Any) -> None:
        nonlocal left
        written = event in ("os.rename", "os.remove", "os.mkdir") or (event == "open" and "w" in str(given[1]))
        if left >= 0 and written:
            left -= 1
            if left < 0:
                os.kill(os.getpid(), number)

    Stepper.step = stepped
    sys.addaudithook(watch)
    sys.argv = ["gankit", *arguments]
    main()


def train_signalled(source: Path, number: int, step: int, writes: int) -> tuple[int | None, str]:
    arguments = ["train", str(source), "--resume", "--out", "run"]
    return Other(Path("signalled.log"), signalled, arguments, number, step, writes).end()


@pytest.fixture(scope="module")
def sixteen(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str]]:
    """A recipe of 16 steps with all that has a memory, and the digests of a run left alone."""
    chosen = recipe(method=NOISY, steps=16, batch_size=1, ema=0.9, log_every=1, save_every=1)
    folder = tmp_path_factory.mktemp("sixteen")
    source = folder / "sixteen.yaml"
    source.write_text(yaml.safe_dump(chosen))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(gankit.api, "_finish", lambda run, device: None)
        gankit.train(chosen | {"train": chosen["train"] | {"save_every": 100}}, folder / "alone")
    return source, digests(folder / "alone")


@pytest.mark.parametrize(("workers", "kills"), [(0, [(9, 0), (13, 4)]), (2, [(9, 2), (10, 7)]), (0, [(6, 1), (7, 9)])])
def test_sigkill_at_any_moment(
    workers: int, kills: list[tuple[int, int]], sixteen: tuple[Path, dict[str, str]], tmp_path: Path
) -> None:
    """Killed twice; it saves at each step, and the kill falls before, into or after its writes."""
    source, expected = sixteen
    text = source.read_text().replace("workers: 0", f"workers: {workers}")
    (tmp_path / "sixteen.yaml").write_text(text)
    for step, writes in kills:
        code, said = train_signalled(tmp_path / "sixteen.yaml", signal.SIGKILL, step, writes)
        assert code == -signal.SIGKILL, said
    model = gankit.train(tmp_path / "sixteen.yaml", "run", resume=True)
    assert model.step == 16
    assert digests(tmp_path / "run") == expected
    assert [line["step"] for line in lines(tmp_path / "run")] == list(range(1, 17))


def test_ctrl_c_saves_and_exits_with_130(sixteen: tuple[Path, dict[str, str]], tmp_path: Path) -> None:
    source, expected = sixteen
    (tmp_path / "sixteen.yaml").write_text(source.read_text().replace("save_every: 1\n", "save_every: 5\n"))
    code, said = train_signalled(tmp_path / "sixteen.yaml", signal.SIGINT, 5, 1)
    assert code == 130, said
    assert "Traceback" not in said
    saved = Run(tmp_path / "run").latest()
    assert saved is not None
    assert checkpoint.read_index(saved)["step"] == 5
    gankit.train(tmp_path / "sixteen.yaml", "run", resume=True)
    assert digests(tmp_path / "run") == expected
