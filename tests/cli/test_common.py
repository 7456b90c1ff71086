"""Tables at the width of a terminal."""

from __future__ import annotations

import io
from contextlib import redirect_stdout

import pytest

from gankit.cli import common

ROW = ("translation_error", "a2b", "0.123 ± 0.045", "0.11 to 0.14", "input 1.00, constant 0.56", "n 200, clean, seed 0")


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    monkeypatch.setenv("COLUMNS", "80")
    return Terminal()


def test_a_wide_table_breaks_no_words_at_80_columns(terminal: Terminal) -> None:
    heads = ("metric", "direction", "value", "95 % interval", "trivial answers", "protocol")
    with redirect_stdout(terminal):
        common.print_table([heads, ROW])
    lines = terminal.getvalue().splitlines()
    assert max(map(len, lines)) <= 80
    assert {word for cell in (*heads, *ROW) for word in cell.split()} == {w for line in lines for w in line.split()}


def test_a_long_word_is_not_broken(terminal: Terminal) -> None:
    path = "/".join(["runs"] * 40)
    with redirect_stdout(terminal):
        common.print_table([("report", path)])
    assert path in terminal.getvalue().split()


def test_a_file_gets_a_line_for_each_row(capsys: pytest.CaptureFixture[str]) -> None:
    common.print_table([ROW, ROW])
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == 2 and lines[0].endswith("n 200, clean, seed 0")
