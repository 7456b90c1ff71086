"""Tables at the width of a terminal."""

from __future__ import annotations

import sys

import pytest

from gankit.cli import common

ROW = ("translation_error", "a2b", "0.123 ± 0.045", "0.11 to 0.14", "input 1.00, constant 0.56", "n 200, clean, seed 0")


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setenv("COLUMNS", "80")


def test_a_wide_table_breaks_no_words_at_80_columns(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    heads = ("metric", "direction", "value", "95 % interval", "trivial answers", "protocol")
    common.print_table([heads, ROW])
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert {word for cell in (*heads, *ROW) for word in cell.split()} == {w for line in lines for w in line.split()}


def test_a_long_word_is_not_broken(terminal: None, capsys: pytest.CaptureFixture[str]) -> None:
    path = "/".join(["runs"] * 40)
    common.print_table([("report", path)])
    assert path in capsys.readouterr().out.split()


def test_a_file_gets_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_table([ROW, ROW])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].endswith("n 200, clean, seed 0")
