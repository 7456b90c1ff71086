"""A run directory has one training at a time."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gankit.core.errors import CheckpointError, GankitError
from gankit.training.lock import LOCK, hold

pytest.importorskip("fcntl")
HOLD = """
import sys
from pathlib import Path
from gankit.training.lock import hold
with hold(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def other(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """Another process that holds the folder."""
    command = [sys.executable, "-c", HOLD, str(tmp_path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None and process.stdout.readline() == "held\n"
        yield process
        process.kill()


def test_the_holder_is_named(other: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=rf"is being trained by process {other.pid} on .* choose another --out"):
        hold(tmp_path).__enter__()


def test_a_killed_process_holds_nothing(other: subprocess.Popen[str], tmp_path: Path) -> None:
    other.kill()
    other.wait()
    with hold(tmp_path):
        assert (tmp_path / LOCK).is_file()
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    with pytest.raises(GankitError, match=r"gone/.lock: cannot be written: no such file"):
        hold(tmp_path / "gone").__enter__()
