"""`gankit bench`: groups, tables, what it calls a fall, and its exit codes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from gankit.cli import bench
from gankit.cli.main import app


def measured(ratio: float = 2.0) -> dict[str, Any]:
    """As pytest-benchmark's file has it."""
    info = {"machine": "m-1", "device": "d", "threads": 1, "torch": "2", "python": "3", "ms": 4.0, "floor_ms": 1.0}
    info |= {"percent_of_floor": 25.0, "ratio_to_reference": ratio}
    return {"fullname": "benchmarks/test_norm.py::test_norm[adalin-fwd]", "extra_info": info}


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Stands for the run of pytest: [figures, whether all passed]."""
    result: list[Any] = [bench.collect([measured()]), True]
    monkeypatch.setattr(bench, "run", lambda files, smallest: tuple(result))
    return result


def invoke(*arguments: str | Path):
    return CliRunner().invoke(app, ["bench", *map(str, arguments)])


def test_names_of_cases() -> None:
    names = {
        "benchmarks/test_norm.py::test_norm[adalin-fwd]": "norm/adalin-fwd",
        "benchmarks/test_norm.py::test_compiled_adalin[1x2]": "norm/compiled_adalin-1x2",
        "test_cli.py::test_cli[--help]": "cli/--help",
        "test_loss.py::test_loss": "loss/",
    }
    assert {full: bench.name_of({"fullname": full}) for full in names} == names


def test_the_table_has_the_figures(ran: list[Any]) -> None:
    result = invoke("norm")
    assert result.exit_code == 0, result.output
    assert "norm/adalin-fwd" in result.output and "m-1" in result.output
    assert [cell for cell in ("4", "1", "25", "2") if cell not in result.output.split()] == []


def test_json(ran: list[Any]) -> None:
    found = json.loads(invoke("--json").stdout)
    assert found["machine"] == "m-1" and found["cases"]["norm/adalin-fwd"]["ratio_to_reference"] == 2.0


@pytest.mark.parametrize("then, code", [(2.0, 0), (2.5, 0), (3.0, 1)])  # a quarter may be lost
def test_a_fallen_ratio_is_an_error(ran: list[Any], tmp_path: Path, then: float, code: int) -> None:
    stored = tmp_path / "stored.json"
    stored.write_text(json.dumps(bench.collect([measured(then)])))
    result = invoke("--compare", stored)
    assert result.exit_code == code, result.output
    assert ("it was 3.00" in result.output) == (code == 1)


def test_least(ran: list[Any]) -> None:
    assert invoke("--least", "1.9").exit_code == 0
    result = invoke("--least", "2.1")
    assert result.exit_code == 1 and "norm/adalin-fwd: 2.00 times as fast" in result.output


def test_a_failed_case_is_an_error(ran: list[Any]) -> None:
    ran[1] = False
    assert invoke().exit_code == 1


def test_an_unknown_group_is_refused_with_the_list() -> None:
    result = invoke("nrom")
    assert result.exit_code == 2
    assert "no group of benchmarks is called 'nrom'; there are block, cli" in result.output


def test_a_file_that_is_no_result_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "other.json"
    path.write_text("[]")
    result = invoke("norm", "--compare", path)
    assert result.exit_code == 2 and "is not a stored result" in result.output


def test_without_the_checkout_it_says_where_the_suite_is(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(bench, "SUITE", tmp_path)
    result = invoke()
    assert result.exit_code == 2 and "clone the repository" in result.output


def test_interruption(monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(files: list[Path], smallest: bool) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(bench, "run", interrupted)
    assert invoke("norm").exit_code == 130


def test_results_are_kept_by_machine_beside_those_of_other_groups(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(bench, "SUITE", tmp_path)
    rendered: list[Any] = []
    monkeypatch.setattr(bench.subprocess, "run", lambda *a, **k: rendered.append(a))
    (tmp_path / "results").mkdir()
    bench.keep(bench.collect([measured()]))
    other = measured() | {"fullname": "test_loss.py::test_loss[gram]"}
    bench.keep(bench.collect([other]))
    kept = json.loads((tmp_path / "results" / "m-1.json").read_text())
    assert list(kept["cases"]) == ["loss/gram", "norm/adalin-fwd"] and len(rendered) == 2
