"""Grids of trainings."""

from __future__ import annotations

import fcntl
import itertools
import json
import shlex
import signal
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import gankit
from gankit.cli import processes
from gankit.cli.main import app
from gankit.cli.processes import BUSY, Processes
from gankit.core.errors import RecipeError, TrainingError
from gankit.report.ablate import Point, axis, grid, name_of, slug, split
from gankit.training import checkpoint
from gankit.training.run import Run
from tests.training.tiny import digests, lines, recipe

TYPES = "losses.adversarial={type: lsgan},{type: vanilla}"


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("tiny.yaml").write_text(json.dumps(recipe(steps=1)))


@pytest.fixture
def trained(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Trains in this process; the names of the runs that were."""
    names: list[str] = []

    def run(self: Processes, commands: Mapping[Path, Sequence[str]], done: Callable[[Path, str], None]) -> None:
        for log, command in commands.items():
            words = list(command)
            out = words[words.index("--out") + 1]
            sets = [value for word, value in itertools.pairwise(words) if word == "--set"]
            names.append(Path(out).name)
            try:
                gankit.train(words[1], out, "--resume" in words, sets)
                done(log, "")
            except (TrainingError, RecipeError) as e:
                done(log, f"exit code 1: {e}")

    monkeypatch.setattr(Processes, "run", run)
    return names


def ablate(*arguments: str, code: int = 0) -> Any:
    result = CliRunner().invoke(app, ["ablate", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


# -- the grid ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("text", "parts"),
    [
        ("1,2", ["1", "2"]),
        ("{type: a, b: [1, 2]},x", ["{type: a, b: [1, 2]}", "x"]),
        ("'a,b',\"c,d\"", ["'a,b'", '"c,d"']),
        ("it's,so", ["it's", "so"]),
        ("[0.5, 0.9]", ["[0.5, 0.9]"]),
        ("", [""]),
    ],
)
def test_values_are_split_at_outer_commas(text: str, parts: list[str]) -> None:
    assert split(text) == parts


def test_a_grid_is_every_combination() -> None:
    assert [str(point) for point in grid(["a.x=1,2", "b.x=p,q"])] == [
        "a.x=1, b.x=p",
        "a.x=1, b.x=q",
        "a.x=2, b.x=p",
        "a.x=2, b.x=q",
    ]
    assert axis(" a.b = 1 , 2 ").key == "a.b"


@pytest.mark.parametrize(
    ("value", "name"),
    [("1e-4", "1e-4"), ("-1", "-1"), ("lsgan", "lsgan"), ("{type: lsgan}", "lsgan")],
)
def test_a_plain_value_is_its_own_file_name(value: str, name: str) -> None:
    assert slug(value) == name


def test_other_values_are_safe_and_unique_file_names() -> None:
    values = ["{type: a, b: 1}", "{type: a, b: -1}", "[1, 2]", "[1,2]", "a/b", "../..", "x" * 300, "é", "a b", "'"]
    names = [slug(value) for value in values]
    assert len(set(names)) == len(values)
    assert all(len(name) < 40 and not set(name) & set("/\\ :*?\"<>|'[]{}") for name in names)
    long = name_of("n", Point([("k", "v" * 24)] * 20, ["k" * 20] * 20))
    assert len(long) < 200


# -- mistakes ----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("options", "messages"),
    [
        (["--over", "a"], ["--over a: should look like"]),
        (["--over", "=1"], ["should look like"]),
        (["--over", "a=1,,2"], ["has an empty value"]),
        (["--over", "a=1,1"], ["has the value 1 twice"]),
        (["--over", "a=1", "--over", "a=2"], ["--over a: is given twice"]),
        (["--over", "train.seed=1,2"], ["train.seed is what --seeds N counts"]),
        (["--over", "a=1", "--set", "train.seed=1"], ["train.seed is what --seeds N counts"]),
        (["--over", "a=1,2", "--set", "a=3"], ["--over a: is set by --set, too"]),
        (["--over", "b", "--over", "a=,"], ["--over b", "--over a=,", "2 mistakes"]),
        (["--over", "train.batch_size=1,1.0"], ["batch_size"]),
        (["--over", "name=a,b"], ["name=a and name=b train the same"]),
        (["--over", "train.batch_size=2,0x2"], ["train the same"]),
        (["--over", "a={,2"], ["--over a={,2"]),
    ],
)
def test_wrong_options_are_refused(options: list[str], messages: list[str], trained: list[str]) -> None:
    told = ablate("tiny.yaml", *options, code=2).stderr
    assert all(message in told for message in messages), told
    assert not trained and not Path("runs").exists()


def test_a_place_that_cannot_be_written_is_told_before_training(tmp_path: Path, trained: list[str]) -> None:
    (tmp_path / "file").touch()
    over = ["--over", "losses.cycle.weight=1,2"]
    told = ablate("tiny.yaml", *over, "--out", str(tmp_path / "file" / "runs"), "--print", code=1).stderr
    assert f"{tmp_path / 'file'} is a file, and the runs need a folder" in told
    told = ablate("tiny.yaml", *over, "--html", str(tmp_path), code=1).stderr
    assert f"{tmp_path} is a folder: give --html a file" in told
    assert not trained


def test_all_mistakes_are_told_with_their_points(trained: list[str]) -> None:
    over = ["--over", "losses.adversarial=lsgan,lsgn", "--over", "method.generator.channels=4,zero"]
    told = ablate("tiny.yaml", *over, code=2).stderr
    assert "did you mean 'lsgan'? [at adversarial=lsgn, channels=4; adversarial=lsgn, channels=zero]" in told
    assert "[at adversarial=lsgan, channels=zero; adversarial=lsgn, channels=zero]" in told
    assert "2 mistakes" in told and not trained


def test_a_mistake_of_all_points_is_told_once_without_them(trained: list[str]) -> None:
    told = ablate("tiny.yaml", "--over", "train.batch_size=1,2", "--set", "train.epoch=3", code=2).stderr
    assert told.count("train takes no `epoch`") == 1 and "[at" not in told
    assert "there is no such file" in ablate("nothing.yaml", "--over", "a=1", code=2).stderr


def test_what_cannot_be_built_is_refused_before_training(trained: list[str]) -> None:
    told = ablate("tiny.yaml", "--over", "losses.cycle={type: cycle},{type: area}", code=2).stderr
    assert "attention" in told and "[at cycle={type: area}]" in told and not trained


def test_options_that_typer_refuses() -> None:
    assert "--over" in ablate("tiny.yaml", code=2).output
    ablate("tiny.yaml", "--over", "a=1", "--seeds", "0", code=2)
    ablate("tiny.yaml", "--over", "a=1", "--jobs", "0", code=2)


# -- training ----------------------------------------------------------------------------------------------------------
GRID = ("tiny.yaml", "--over", "method.generator.channels=2,4", "--out", "grid", "--seeds", "2")


def test_a_grid_is_trained_and_compared_and_done_once(trained: list[str]) -> None:
    told = ablate(*GRID, "--html", "page.html")
    assert trained == [f"tiny-channels={c}-seed{s}" for c in (2, 4) for s in (0, 1)]
    assert (
        "channels=2 (2 seeds)" in told.stdout
        and "4 runs in grid, each with a log file beside it; 0 finished" in told.stderr
    )
    assert Path("page.html").is_file()
    again = ablate(*GRID)
    assert len(trained) == 4 and again.stdout == told.stdout and "4 finished" in again.stderr
    ablate(*GRID, "--set", "train.steps=2")  # the same runs go on
    assert len(trained) == 8 and Run(Path("grid/tiny-channels=2-seed0")).latest().name.endswith("2")


def test_a_run_that_was_not_measured_is_not_finished(trained: list[str]) -> None:
    ablate(*GRID)
    Run(Path("grid/tiny-channels=2-seed1")).evaluation.unlink()
    Run(Path("grid/tiny-channels=4-seed0")).evaluation.write_text("{")
    trained.clear()
    ablate(*GRID)
    assert trained == ["tiny-channels=2-seed1", "tiny-channels=4-seed0"]


def test_a_run_of_another_recipe_is_refused(trained: list[str]) -> None:
    ablate(*GRID, "--seeds", "1")
    told = ablate(*GRID, "--set", "losses.cycle.weight=3", code=2).stderr
    assert "grid/tiny-channels=2-seed0: was trained with losses.cycle.weight 10" in told
    assert "and it is 3" in told and "2 mistakes" in told and len(trained) == 2
    told = ablate(*GRID, "--seeds", "1", "--set", "data.seed=3", code=2).stderr
    assert "was trained with data.seed 0, and it is 3 now" in told and len(trained) == 2


def test_one_failing_run_ends_no_other(trained: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    original = gankit.train

    def fail(source: Any, out: str, *rest: Any) -> Any:
        if "channels=2-seed1" in out:
            raise TrainingError("a loss is NaN")
        return original(source, out, *rest)

    monkeypatch.setattr(gankit, "train", fail)
    told = ablate(*GRID, code=1)
    assert len(trained) == 4 and "channels=2" in told.stdout
    assert "grid/tiny-channels=2-seed1 failed: exit code 1: a loss is NaN (all of it: grid/" in told.stderr
    assert "1 of 4 runs failed; repeat the command to try them again" in told.stderr
    monkeypatch.setattr(gankit, "train", original)
    ablate(*GRID)
    assert trained[4:] == ["tiny-channels=2-seed1"]


def test_nothing_to_compare_is_said(trained: list[str]) -> None:
    told = ablate("tiny.yaml", "--over", "method.generator.channels=2", "--seeds", "1")
    assert "nothing to compare" in told.stderr and Path("runs/tiny-ablation/tiny-channels=2-seed0").is_dir()


def test_a_grid_over_drawings_has_a_run_for_each() -> None:
    printed = ablate("tiny.yaml", "--over", "data.seed=0,1", "--seeds", "1", "--print").stdout.splitlines()
    assert [line.partition("--out ")[2] for line in printed] == [
        f"runs/tiny-ablation/tiny-seed={seed}-seed0 --resume" for seed in (0, 1)
    ]


def test_print_gives_commands_for_a_shell(trained: list[str]) -> None:
    printed = ablate("tiny.yaml", "--over", TYPES, "--seeds", "2", "--set", "train.batch_size=1", "--print").stdout
    commands = [shlex.split(line) for line in printed.splitlines()]
    assert commands[3] == [
        *("gankit", "train", "tiny.yaml", "--set", "train.batch_size=1"),
        *("--set", "losses.adversarial={type: vanilla}", "--set", "train.seed=1"),
        *("--out", "runs/tiny-ablation/tiny-adversarial=vanilla-seed1", "--resume"),
    ]
    assert len(commands) == 4 and not trained and not Path("runs").exists()
    ablate(*GRID, "--seeds", "1")
    assert len(ablate(*GRID, "--print").stdout.splitlines()) == 2  # what is finished is left out


# -- processes ---------------------------------------------------------------------------------------------------------
class Killed(BaseException):
    pass


def test_a_killed_ablation_goes_on_where_it_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    """One run finished, one killed after its third step, which a real process ends."""
    changes = ["train.steps=6", "train.save_every=3", "losses.cycle.weight=10"]
    path = Path("grid/tiny-weight=10-seed")
    gankit.train("tiny.yaml", "alone", sets=[*changes, "train.seed=1"])
    gankit.train("tiny.yaml", f"{path}0", sets=[*changes, "train.seed=0"])
    before = Run(Path(f"{path}0")).evaluation.stat().st_mtime_ns
    original = checkpoint.save

    def save_and_die(*arguments: Any) -> None:
        original(*arguments)
        raise Killed

    monkeypatch.setattr(checkpoint, "save", save_and_die)
    with pytest.raises(Killed):
        gankit.train("tiny.yaml", f"{path}1", sets=[*changes, "train.seed=1"])
    latest = Run(Path(f"{path}1")).latest()
    assert latest is not None and latest.name == "step_00000003"
    over = ["--over", "losses.cycle.weight=10", "--out", "grid", "--seeds", "2"]
    told = ablate("tiny.yaml", *over, "--set", "train.steps=6", "--set", "train.save_every=3")
    assert "2 runs in grid" in told.stderr and "1 finished" in told.stderr and "(2 seeds)" in told.stdout
    assert Run(Path(f"{path}0")).evaluation.stat().st_mtime_ns == before
    assert digests(Path(f"{path}1")) == digests(Path("alone"))
    assert [line["step"] for line in lines(Path(f"{path}1"))] == [6]
    assert Path(f"{path}1.log").read_text().startswith("$ gankit train tiny.yaml --set train.steps=6")


def scripted(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    """The commands of `Processes` run this Python."""
    monkeypatch.setattr(processes, "PROGRAM", (sys.executable, "-c", f"import os, signal, sys\n{text}"))


def run(count: int, *names: str) -> dict[str, str]:
    ended: dict[str, str] = {}
    Processes(count).run(
        {Path(f"{name}.log"): [name] for name in names}, lambda log, why: ended.update({log.stem: why})
    )
    return ended


def test_how_processes_end(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(
        monkeypatch,
        "print('said by', sys.argv[1], flush=True)\n"
        "if sys.argv[1] == 'killed': os.kill(os.getpid(), signal.SIGKILL)\n"
        "sys.exit(int(sys.argv[1] == 'bad'))",
    )
    assert run(2, "good", "bad", "killed") == {
        "good": "",
        "bad": "exit code 1: said by bad",
        "killed": "ended by signal 9: said by killed",
    }
    scripted(monkeypatch, "sys.exit(3)")
    assert run(1, "silent") == {"silent": "exit code 3"}
    assert run(1, "none/none")["none"].startswith("none/none.log: no such file")


def test_what_another_process_trains_is_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(monkeypatch, "")
    with open("a.log", "wb") as log:
        fcntl.flock(log, fcntl.LOCK_EX)
        assert run(1, "a", "b") == {"a": BUSY, "b": ""}
    assert run(1, "a") == {"a": ""}


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupt_ends_the_children_once(number: signal.Signals, monkeypatch: pytest.MonkeyPatch) -> None:
    scripted(
        monkeypatch,
        "signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGTERM})\n"  # until it is waited for
        f"os.kill(os.getppid(), {number.value})\n"
        "signal.alarm(60); signal.sigwait({signal.SIGTERM})\n"  # it ends by itself if nobody asks
        "print('saved', signal.SIGTERM in signal.sigpending(), flush=True)",
    )
    before = signal.getsignal(signal.SIGTERM)
    ctrl_c = signal.signal(signal.SIGINT, signal.default_int_handler)  # which jobs in the background ignore
    try:
        with pytest.raises(KeyboardInterrupt):
            run(1, "first", "never")
    finally:
        signal.signal(signal.SIGINT, ctrl_c)
    assert Path("first.log").read_text().splitlines()[-1] == "saved False"
    assert not Path("never.log").exists()
    assert signal.getsignal(signal.SIGTERM) is before


def test_an_interrupted_ablation_ends_with_130(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(Processes, "run", interrupted)
    told = ablate(*GRID, code=130).stderr
    assert "interrupted: 0 of 4 runs are finished; the same command continues" in told
