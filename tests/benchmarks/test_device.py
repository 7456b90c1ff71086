"""One script for a machine: stages that fail, hang or die cost themselves alone. Nothing is measured here."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from benchmarks import device, goals, stages, tested
from benchmarks.device import LIMIT, STAGES, Stage, Telling


def planted(*names: str, seconds: float = 30) -> list[Stage]:
    return [Stage(name, seconds, f"tests.benchmarks.planted:{name}") for name in names]


def main(chosen: list[Stage], out: Path, monkeypatch: pytest.MonkeyPatch, *given: str) -> tuple[int, dict[str, Any]]:
    """The exit code, and the outcomes by stage. The limit is what the stages ask for."""
    monkeypatch.setattr(device, "STAGES", chosen)
    monkeypatch.setattr(device.signal, "signal", lambda *_: None)  # this process keeps its own
    monkeypatch.setenv("PYTHONPATH", str(tested.ROOT))
    limit = sum(stage.seconds for stage in chosen)
    code = device.main(["--device=cpu", f"--out={out}", f"--limit={limit}", *given])
    return code, {line["stage"]: line for line in device.read(out) if "outcome" in line}


def test_stages_that_fail_cost_themselves_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["works", "raises", "dies", "absent"]
    code, outcomes = main(
        [*planted(*names), Stage("last", 30, "tests.benchmarks.planted:works")], tmp_path, monkeypatch
    )
    assert code == 1
    assert [outcomes[name]["outcome"] for name in (*names, "last")] == ["done", "failed", "failed", "failed", "done"]
    assert outcomes["raises"]["why"] == "ValueError: this stage is broken"
    assert outcomes["dies"]["why"] == "it was ended by SIGKILL"
    assert "absent" in outcomes["absent"]["why"]
    lines = [json.loads(line, parse_constant=pytest.fail) for line in (tmp_path / "figures.jsonl").open()]
    assert lines == device.read(tmp_path)  # each is whole, and JSON, which has no word for what is no number
    assert {"stage": "dies", "figure": "before", "ms": "nan", "ratios": [1.0, "inf"]} in lines
    told = [line["stage"] for line in lines if "figure" in line]
    assert told == ["works", "raises", "dies", "last"]  # also what a stage told before it failed
    text = (tmp_path / "table.txt").read_text()
    assert text in capsys.readouterr().out
    assert "measures nothing" in text and "failed: ValueError: this stage is broken" in text
    assert "ms 1.5, ratios 2..3" in text


def test_a_stage_that_hangs_is_ended_with_all_that_it_has_started(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    waits: list[float] = []

    class Impatient(device.subprocess.Popen):
        """Its time is over as soon as the stage has told something."""

        def wait(self, timeout: float | None = None) -> int:
            if timeout is None or self.args[-2] != "hangs":
                return super().wait(timeout)
            waits.append(timeout)
            while not [line for line in device.read(tmp_path) if line["stage"] == "hangs"]:
                assert self.poll() is None
            raise device.subprocess.TimeoutExpired(self.args, timeout)

    monkeypatch.setattr(device.subprocess, "Popen", Impatient)
    code, outcomes = main(planted("hangs", "works"), tmp_path, monkeypatch)
    assert code == 1
    assert outcomes["hangs"]["outcome"] == "stopped" and "had not ended after" in outcomes["hangs"]["why"]
    assert outcomes["works"]["outcome"] == "done"
    assert 0 < waits[0] <= 30
    grandchild = Path("/proc", (tmp_path / "grandchild").read_text(), "stat")
    if Path("/proc/self/stat").exists():  # gone, or dead and not yet fetched by whoever adopts the dead
        assert not grandchild.exists() or grandchild.read_text().rpartition(")")[2].split()[0] == "Z"


def test_time_that_is_left_over_goes_to_later_stages(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    now, allowed = [0.0], {}

    def one(stage: Stage, seconds: float, *_: Any) -> dict[str, Any]:
        allowed[stage.name] = seconds
        now[0] += {"quick": 1.0, "slow": seconds, "late": seconds, "last": 0.0}[stage.name]
        return {"outcome": "done"}

    monkeypatch.setattr(device, "_one", one)
    monkeypatch.setattr(device.time, "monotonic", lambda: now[0])
    names = [Stage(name, seconds, "") for name, seconds in (("quick", 10), ("slow", 20), ("late", 10), ("last", 10))]
    device.run(names, SimpleNamespace(limit=100.0, out=tmp_path), [])  # type: ignore[arg-type]
    assert allowed == {"quick": 20, "slow": 59, "late": 20, "last": 20}


def test_whoever_ends_it_early_gets_the_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    command = [sys.executable, "-c", EARLY, str(tmp_path)]
    done = device.subprocess.run(command, env=os.environ | {"PYTHONPATH": str(tested.ROOT)}, capture_output=True)
    assert done.returncode == 130, done.stderr
    text = (tmp_path / "table.txt").read_text()
    assert "stopped: the whole was ended from outside" in text and "before" in text and "works" not in text


EARLY = """
import sys
from benchmarks import device
device.STAGES = [device.Stage(name, 30, f"tests.benchmarks.planted:{name}") for name in ("interrupts", "works")]
sys.exit(device.main(["--device=cpu", f"--out={sys.argv[1]}"]))
"""


def test_tests_that_only_passed_are_counted() -> None:
    lines = [{"stage": "tests/x", "figure": f"t{i}", "test": "passed"} for i in range(3)]
    lines += [{"stage": "tests/x", "figure": "f", "test": "failed", "why": "broken"}]
    lines += [{"stage": "tests/x", "figure": "g", "test": "passed", "largest_difference": 0.0}]
    text = device.table(lines, SimpleNamespace(small=True))  # type: ignore[arg-type]
    assert "3 tests passed" in text and "t1" not in text
    assert "test failed, why broken" in text and "largest_difference 0" in text


def test_half_a_line_is_passed_over(tmp_path: Path) -> None:
    (tmp_path / "figures.jsonl").write_text('{"stage": "a", "figure": "x"}\n{"stage": "a", "fig\n{"stage": "b"}\n')
    assert [line["stage"] for line in device.read(tmp_path)] == ["a", "b"]


# -- the stages that there are -----------------------------------------------------------------------------------------
def test_all_stages_together_take_nine_minutes_on_a_gpu() -> None:
    assert sum(stage.seconds for stage in STAGES if "cuda" in stage.devices) <= LIMIT["cuda"] == 540
    assert len({stage.name for stage in STAGES}) == len(STAGES)


@pytest.mark.parametrize("stage", STAGES, ids=lambda stage: stage.name)
def test_every_stage_has_its_work(stage: Stage) -> None:
    module, _, function = stage.work.partition(":")
    place = {one.__name__: one for one in (stages, tested)}[module]
    assert callable(getattr(place, function))
    if place is tested:
        assert stage.name.rpartition("/")[2] in tested.TESTS


def test_tests_begin_without_torch() -> None:
    """Their conftest says to Triton how it is to run before anything imports it."""
    code = "import sys, benchmarks.tested; assert not {'torch', 'triton', 'numpy'} & set(sys.modules)"
    device.subprocess.run([sys.executable, "-c", code], cwd=tested.ROOT, check=True)


def test_stages_are_chosen_by_the_start_of_their_names(capsys: pytest.CaptureFixture[str]) -> None:
    chosen = device.parse(["--device=cuda", "--out=x", "--only=step/ugatit", "--only=norms"]).stages
    assert [stage.name for stage in chosen] == ["step/ugatit/1", "norms", "step/ugatit/8"]
    every = device.parse(["--device=cpu", "--out=x"])
    assert "suite" not in [stage.name for stage in every.stages] and every.small
    assert not device.parse(["--device=cpu", "--out=x", "--full"]).small
    with pytest.raises(SystemExit):
        device.parse(["--device=cpu", "--out=x", "--only=nroms"])
    assert "no stage of cpu begins with nroms; there are doctor" in capsys.readouterr().err


def test_what_came_of_each_test_is_told(tmp_path: Path) -> None:
    (tmp_path / "test_some.py").write_text(
        "import pytest\n"
        "def test_good(record_property): record_property('largest_difference', 0.5)\n"
        "def test_bad(): assert 1 == 2, 'one is not two'\n"
        "def test_none(): pytest.skip('not here')\n"
        "def test_broken(nothing): pass\n"
    )
    told: dict[str, dict[str, Any]] = {}
    plugin = tested.Outcomes(lambda figure, **values: told.update({figure.partition("::")[2]: values}))  # type: ignore
    pytest.main([str(tmp_path), "-q", "-p", "no:cacheprovider", "--rootdir", str(tmp_path)], plugins=[plugin])
    assert told["test_good"] == {"test": "passed", "largest_difference": 0.5}
    assert told["test_bad"]["test"] == "failed" and "one is not two" in told["test_bad"]["why"]
    assert told["test_none"] == {"test": "skipped", "why": "Skipped: not here"}
    assert told["test_broken"]["test"] == "failed" and "nothing" in told["test_broken"]["why"]


def test_a_norm_that_fails_costs_its_own_figure(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from benchmarks import test_norm as suite

    def calls(case: suite.Case, *given: Any) -> list[Any]:
        if case.name == "adalin":
            raise RuntimeError("out of memory\nand more")
        return original(case, *given)

    original = suite.Case.calls
    monkeypatch.setattr(suite.Case, "calls", calls)
    monkeypatch.setattr(suite, "SMALLEST", (1, 32, 4, 4))
    monkeypatch.setattr(stages, "device_of", lambda tell: stages.torch.device("cpu"))
    monkeypatch.setattr(stages, "ceilings", lambda device: SimpleNamespace(copy=1e9))
    options = SimpleNamespace(out=tmp_path, device="cpu", small=True)
    stages.norms(Telling("norms", options))  # type: ignore[arg-type]
    lines = device.read(tmp_path)
    assert {line["figure"].partition("-")[0] for line in lines} == set(stages.NORMS)
    for line in lines:
        assert line.get("failed") == "RuntimeError: out of memory" if "adalin" in line["figure"] else line["ratio"] > 0


# -- goals -------------------------------------------------------------------------------------------------------------
def goal(value: Any, **more: Any) -> goals.Goal:
    return goals.Goal("text", 2.0, value, **more)


def refusing(found: goals.Found) -> float:
    raise goals.Unmeasured("why")


@pytest.mark.parametrize(
    "given, expected",
    [
        (goal(lambda f: 2.5), ("2.50", "met")),
        (goal(lambda f: 1.5), ("1.50", "missed")),
        (goal(lambda f: 1.5, at_most=True), ("1.50", "met")),
        (goal(refusing), ("-", "unmeasured: why")),
        (goal(lambda f: 1 / 0), ("-", "unmeasured: ZeroDivisionError: division by zero")),
    ],
)
def test_verdicts(given: goals.Goal, expected: tuple[str, str]) -> None:
    assert goals.judged(given, goals.Found([])) == expected


STEP = "step/junyanz/1"
THEIRS = {"stage": STEP, "figure": "junyanz", "s": 3.0, "ratio": 1.0, "peak_gb": 4.0}


def test_goals_are_judged_by_what_was_told() -> None:
    ours = [{"stage": STEP, "figure": f"junyanz:{n}", "s": 1.0, "ratio": r} for n, r in (("bf16", 5.0), ("fp32", 9.0))]
    late = {"stage": STEP, "outcome": "stopped", "why": "it had not ended after 45 s"}
    verdicts = {text: rest for text, *rest in goals.verdicts("cuda", goals.Found([THEIRS, *ours, late]))}
    assert verdicts["CycleGAN, batch 1, bf16 against their step in fp32"] == [">= 6", "5.00", "missed"]
    assert verdicts["CycleGAN, batch 1, fp32 against fp32"] == [">= 1.5", "9.00", "met"]
    assert "no figure of" in verdicts["CycleGAN, batch 1, bf16: our peak of memory by theirs"][-1]
    assert verdicts["AGIT, batch 1, steps a second (reported)"][-1] == "unmeasured: the stage agit was not run"


@pytest.mark.parametrize(
    ("lines", "why"),
    [
        ([{"figure": "junyanz", "skipped": "Unfit: no checkout is given"}], "Unfit: no checkout is given"),
        ([{"outcome": "failed", "why": "ImportError: no module"}], "failed: ImportError: no module"),
        ([{**THEIRS}, {"figure": "junyanz:fp32", "failed": "OutOfMemoryError: 1 GB"}], "OutOfMemoryError: 1 GB"),
    ],
)
def test_a_goal_without_a_figure_says_why(lines: list[dict[str, Any]], why: str) -> None:
    found = goals.Found([{"stage": STEP} | line for line in lines])
    with pytest.raises(goals.Unmeasured, match=why):
        found.step("junyanz", 1, "fp32")


def test_every_goal_says_what_is_measured() -> None:
    assert len({(one.text, one.device) for one in goals.GOALS}) == len(goals.GOALS)


def test_a_kept_line_is_whole_json(tmp_path: Path) -> None:
    options = SimpleNamespace(out=tmp_path)
    Telling("a/b", options)("x", path=Path("y"), value=1.0)  # type: ignore[arg-type]
    assert json.loads((tmp_path / "figures.jsonl").read_text()) == {
        "stage": "a/b",
        "figure": "x",
        "path": "y",
        "value": 1.0,
    }
