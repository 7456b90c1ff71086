"""Files that cannot be written or read are told in words."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from gankit import CheckpointError, GankitError, Recipe, RecipeError
from gankit.core.files import drafting, make_folder, read_given, read_json, read_whole, remove, write_whole


@pytest.fixture
def nowhere(tmp_path: Path) -> Path:
    """A place in which nothing can be: its parent is a file."""
    (tmp_path / "file").write_text("")
    return tmp_path / "file/x"


def test_what_cannot_be_written(nowhere: Path) -> None:
    with pytest.raises(GankitError, match=r"x: cannot be written: not a directory"):
        write_whole(nowhere, "text")
    with pytest.raises(GankitError, match="the folder cannot be made"):
        make_folder(nowhere)


def test_what_cannot_be_removed(tmp_path: Path) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(GankitError, match=r"folder: cannot be removed: "):
        remove(tmp_path / "folder")
    remove(tmp_path / "none")


def test_a_read_only_file_system(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system", "x")

    monkeypatch.setattr(Path, "write_bytes", refuse)
    monkeypatch.setattr(Path, "unlink", refuse)
    with pytest.raises(GankitError, match=r"x: cannot be written: read-only file system"):
        write_whole(tmp_path / "x", "text")


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="it is not a file"):
        read_whole(tmp_path / "pipe")


@pytest.fixture
def impatient() -> Iterator[None]:
    """A test that waits is ended, not waited for."""
    signal.alarm(30)
    yield
    signal.alarm(0)


def test_a_pipe_to_which_nobody_writes_is_not_waited_for(tmp_path: Path, impatient: None) -> None:
    os.mkfifo(pipe := tmp_path / "pipe.yaml")
    with pytest.raises(OSError, match="it is a pipe to which nobody writes"):
        read_given(pipe, 100)
    with pytest.raises(RecipeError, match=r"pipe\.yaml: cannot be read: it is a pipe to which nobody writes"):
        Recipe.load(pipe)


def test_a_pipe_that_is_written_is_read_to_its_end(monkeypatch: pytest.MonkeyPatch, impatient: None) -> None:
    """As of `<(...)`: written before it is read, or by a writer that takes its time."""
    for late in (False, True):
        reading, writing = os.pipe()

        def write(writing: int = writing) -> None:
            os.write(writing, b"a" * 9)
            os.close(writing)

        with monkeypatch.context() as patch:
            if late:  # it writes when it has been found that there is nothing yet
                original = os.set_blocking
                patch.setattr(
                    os, "set_blocking", lambda *given, original=original, write=write: (original(*given), write())
                )
            else:
                write()
            assert read_given(Path(f"/dev/fd/{reading}"), 100) == b"a" * 9
        os.close(reading)


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3 << 20))
    with pytest.raises(OSError, match="it is larger than 2 MiB"):
        read_whole(tmp_path / "large", 2 << 20)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]", b'{"a": NaN}', b"[" * 100_000])
def test_json_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x.json (cannot be read: .*;|holds no mapping:) do this"):
        read_json(tmp_path / "x.json", "do this")


@pytest.mark.skipif(os.name != "posix", reason="processes are looked for as POSIX does")
def test_drafts_of_processes_that_are_no_more_go_with_the_next_write(tmp_path: Path) -> None:
    child = subprocess.Popen([sys.executable, "-c", ""])
    child.wait()
    stale, alive = tmp_path / f".x.json.{child.pid}.part", tmp_path / f".y.json.{os.getppid()}.part"
    (tmp_path / f".out.{child.pid}.part").mkdir()
    (tmp_path / f".out.{child.pid}.part" / "file").write_text("")
    (tmp_path / f".own.{os.getpid()}.part").write_text("")  # of one that had this number before
    kept = [alive, tmp_path / ".hidden", tmp_path / "x.1.part"]
    for path in (stale, *kept):
        path.write_text("")
    write_whole(tmp_path / "z.json", "{}")
    assert sorted(tmp_path.iterdir()) == sorted([*kept, tmp_path / "z.json"])


def test_a_draft_in_use_is_left_to_its_writer(tmp_path: Path) -> None:
    with drafting(tmp_path / "a") as draft:
        draft.write_text("a")
        write_whole(tmp_path / "b", "b")
        assert draft.exists()
    assert [path.name for path in tmp_path.iterdir()] == ["b"]
