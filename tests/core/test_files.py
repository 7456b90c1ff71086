"""Files that cannot be written or read are told in words."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from gankit import CheckpointError, GankitError
from gankit.core.files import make_folder, read_json, read_whole, remove, write_whole


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
    with pytest.raises(OSError, match="it is no file"):
        read_whole(tmp_path / "pipe")


def test_a_file_that_is_too_large(tmp_path: Path) -> None:
    (tmp_path / "large").write_bytes(bytes(3 << 20))
    with pytest.raises(OSError, match="it is larger than 2 MiB"):
        read_whole(tmp_path / "large", 2 << 20)


@pytest.mark.parametrize("content", [b"", b"{", b"\xff", b"[1]", b'{"a": NaN}', b"[" * 100_000])
def test_json_that_is_none(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"x.json (cannot be read: .*;|holds no mapping:) do this"):
        read_json(tmp_path / "x.json", "do this")
