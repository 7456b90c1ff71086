"""Steps beside other projects' own: what is told, and that one which fails costs its own row. Nothing is measured."""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import measure, peers, steps
from gankit.training.graphs import WARM_UP, RecordingError

OPTIONS = """
import argparse
class TrainOptions:
    def parse(self):
        return argparse.Namespace()
"""
MODELS = """
class Model:
    def setup(self, options): pass
    def set_input(self, fields): self.shape = fields["A"].shape
    def optimize_parameters(self): assert self.shape[1] == 3
def create_model(options):
    return Model()
"""


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """Of a project with the classes of pytorch-CycleGAN-and-pix2pix, which do nothing."""
    for name, source in {"options/train_options.py": OPTIONS, "models/__init__.py": MODELS}.items():
        path = tmp_path / "checkout" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(source)
    (tmp_path / "checkout/options/__init__.py").touch()
    return tmp_path / "checkout"


@pytest.fixture(autouse=True)
def known_rates(monkeypatch: pytest.MonkeyPatch) -> None:
    ceilings = measure.Ceilings(1.0, dict.fromkeys((torch.float32, torch.bfloat16), 1.0))
    monkeypatch.setattr(peers, "ceilings", lambda device: ceilings)
    monkeypatch.setattr(steps, "flops_of", lambda *of: 1)


def given(checkout: Path, *more: str) -> argparse.Namespace:
    small = ["--device=cpu", f"--junyanz={checkout}", "--size=32", "--channels=2", "--rounds=2", "--no-memory"]
    return peers.parse([*small, *more])


def told_by(options: argparse.Namespace) -> tuple[list[peers.Row], dict[str, peers.Row]]:
    """All rows as they came, and the last ones by their steps."""
    rows: list[peers.Row] = []
    peers.compare("junyanz", options, rows.append)
    return rows, {row["step"]: row for row in rows if "batch" in row}


def test_rows_are_told_as_they_come(checkout: Path) -> None:
    rows, last = told_by(given(checkout, "--ours=fp32,fp32-graphed"))
    kinds = [(row["step"], next(key for key in ("first_s", "round_s") if key in row)) for row in rows[:6]]
    both = ["junyanz", "junyanz:fp32"]
    assert kinds[:2] == [(name, "first_s") for name in both]
    assert sorted(kinds[2:6]) == sorted((name, "round_s") for name in both * 2)
    assert last["junyanz"]["ratio"] == 1 and len(last["junyanz:fp32"]["ratios"]) == 2
    assert "only a CUDA device records" in last["junyanz:fp32-graphed"]["skipped"]
    assert all(row["step"] in peers.line(row) for row in rows)


def failing_at(call: int, error: Exception, name: str) -> Callable[..., Any]:
    """`step_of` whose step of that name raises at a call; all others do nothing."""

    def step_of(asked: str, *_: Any) -> Callable[[], None]:
        calls = iter(range(1, 100))

        def step() -> None:
            if next(calls) == call and asked == name:
                raise error

        return step

    return step_of


def test_peaks_of_memory_are_told_as_they_come(monkeypatch: pytest.MonkeyPatch) -> None:
    peaks = {"junyanz": 4.0, "junyanz:fp32": None}
    monkeypatch.setattr(peers, "peak_in_own_process", lambda name, options: peaks[name])
    monkeypatch.setattr(peers, "step_of", failing_at(0, ValueError(), ""))
    rows, last = told_by(given(Path("none"), "--ours=fp32", "--memory"))
    assert rows[:2] == [{"step": name, "peak_gb": peak} for name, peak in peaks.items()]
    assert {name: row["peak_gb"] for name, row in last.items()} == peaks
    assert "4.0 GB" in peers.line(rows[0]) and "unknown" in peers.line(rows[1])


REFUSED = RecordingError("train.cuda_graph: the turn generator cannot be recorded: why")


@pytest.mark.parametrize("call", [1, 2, 3, 4], ids=["first", "warming", "first round", "second round"])
def test_a_step_that_fails_costs_its_own_row(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "step_of", failing_at(call, REFUSED, "junyanz:bf16"))
    _, last = told_by(given(Path("none"), "--ours=bf16,fp32"))
    assert last["junyanz:bf16"]["failed"] == f"RecordingError: {REFUSED}"
    assert len(last["junyanz:fp32"]["ratios"]) == len(last["junyanz"]["ratios"]) == 2


@pytest.mark.parametrize("call", [1, 4])
def test_ours_have_their_seconds_where_theirs_fail(call: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(peers, "step_of", failing_at(call, ValueError(), "junyanz"))
    _, last = told_by(given(Path("none"), "--ours=fp32"))
    assert last["junyanz"]["failed"] == "ValueError: "
    assert last["junyanz:fp32"]["s"] >= 0 and "ratio" not in last["junyanz:fp32"]
    assert "-" in peers.line(last["junyanz:fp32"])


def test_on_a_gpu_one_step_is_alive_at_a_time_and_warm_past_its_recording(monkeypatch: pytest.MonkeyPatch) -> None:
    alive: list[str] = []
    counts: dict[str, int] = {}

    class Step:
        def __init__(self, name: str) -> None:
            assert not alive, f"{alive} still lives"
            alive.append(name)
            self.name, counts[name] = name, 0

        def __call__(self) -> None:
            counts[self.name] += 1
            if self.name.endswith("bf16-graphed") and counts[self.name] == WARM_UP + 1:
                raise RecordingError(str(REFUSED))  # one that nobody keeps, nor its frames

        def __del__(self) -> None:
            alive.remove(self.name)

    monkeypatch.setattr(torch.cuda, "synchronize", lambda device: None)
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda: 5e9)
    monkeypatch.setattr(peers, "batch_of", lambda options: {})
    monkeypatch.setattr(peers, "step_of", lambda name, options, batch: Step(name))
    options = peers.parse(["--device=cuda", "--junyanz=x", "--ours=bf16-graphed,bf16", "--rounds=1", "--steps=1"])
    rows, last = told_by(options)
    assert list(last) == ["junyanz", "junyanz, TF32", "junyanz:bf16-graphed", "junyanz:bf16"]
    assert "cannot be recorded" in last["junyanz:bf16-graphed"]["failed"]
    assert {"step": "junyanz:bf16-graphed", "first_s": pytest.approx(0, abs=1)} not in rows  # it never got so far
    assert last["junyanz:bf16"]["peak_gb"] == 5 and "ratio_tf32" in last["junyanz:bf16"]
    assert counts["junyanz:bf16"] == 1 + WARM_UP + 1 + 1


def test_results_are_kept_as_they_come(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kept = tmp_path / "rows.jsonl"

    def compare(project: str, options: argparse.Namespace, tell: peers.Tell) -> None:
        tell({"step": project, "first_s": 1.0})
        assert json.loads(kept.read_text().splitlines()[-1]) == {"step": "junyanz", "first_s": 1.0}
        assert "junyanz: first step 1 s" in capsys.readouterr().out
        raise KeyboardInterrupt

    monkeypatch.setattr(peers, "compare", compare)
    threads = torch.get_num_threads()
    with pytest.raises(KeyboardInterrupt):
        peers.main(["--device=cpu", "--junyanz=x", f"--json={kept}"])
    torch.set_num_threads(threads)
    assert len(kept.read_text().splitlines()) == 2
