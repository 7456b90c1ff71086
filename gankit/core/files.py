"""Files that appear whole or not at all, and the folders they lie in.

What is written is a draft beside its place, `.NAME.PROCESS.part`, renamed when it is whole. What a killed process has
left of that kind goes when the next one writes into the folder.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import stat
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from gankit.core.errors import CheckpointError, DataError, GankitError

_DRAFT = re.compile(r"\..+\.([0-9]{1,9})\.part")
_drafts: set[Path] = set()
"""Of this process."""
LARGEST = 256 * 2**20
"""Bytes of a file of text that a run holds; a larger one is none of gankit's."""


def reason(error: OSError) -> str:
    """Why a file could not be read or written, in words that follow a colon."""
    return (error.strerror or str(error)).lower()


def ending(path: Path, endings: Iterable[str]) -> str:
    """The longest of these endings, in small letters, that a file's name has, such as `.nii.gz`; "" for none."""
    name = path.name.lower()
    return max((e for e in endings if name.endswith(e) and name != e), key=len, default="")


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside `path` and rename into place. Raises GankitError when that fails; the old file then stays."""
    try:
        with drafting(path) as draft:
            draft.write_bytes(content.encode() if isinstance(content, str) else content)
            draft.replace(path)
    except OSError as e:
        raise GankitError(f"{path}: cannot be written: {reason(e)}") from e


@contextmanager
def drafting(path: Path) -> Iterator[Path]:
    """Where to write what is to be renamed to `path`, a file or a folder; afterwards nothing of it is left there."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    sweep(path.parent)
    _drafts.add(draft)
    try:
        yield draft
    finally:
        _drafts.discard(draft)
        _remove(draft)


def sweep(folder: Path) -> None:
    """Remove the drafts of processes that are no more. What cannot be removed stays."""
    try:
        leftovers = [entry for entry in folder.iterdir() if _is_leftover(entry)]
        for leftover in leftovers:
            _remove(leftover)
    except OSError:
        return


def _is_leftover(path: Path) -> bool:
    match = _DRAFT.fullmatch(path.name)
    if match is None or path in _drafts or os.name != "posix":
        return False
    process = int(match[1])
    if process == os.getpid():  # of one that had the same number
        return True
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return True
    except OSError:
        return False
    return False


def _remove(draft: Path) -> None:
    if draft.is_dir():
        shutil.rmtree(draft)
    else:
        draft.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there yet. Raises DataError with the reason."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise DataError(f"{folder}: the folder cannot be made: {reason(e)}") from e


def remove(path: Path) -> None:
    """Remove a file, if it is there. Raises GankitError with the reason."""
    try:
        path.unlink(missing_ok=True)
    except OSError as e:
        raise GankitError(f"{path}: cannot be removed: {reason(e)}") from e


def read_whole(path: Path, most: int | None = LARGEST) -> bytes:
    """The content of a plain file. Raises OSError; also for a pipe or a device, which may never end, and for one of
    more than `most` bytes."""
    if path.exists() and not path.is_file():
        raise OSError("it is not a file")
    if most is not None and path.stat().st_size > most:
        raise OSError(f"it is larger than {most >> 20} MiB")
    return path.read_bytes()


def read_given(path: Path, most: int) -> bytes:
    """The first `most` bytes of a file or of a pipe that is being written, such as `/dev/stdin` and `<(...)`.

    Raises OSError; also for a pipe to which nobody writes, which would be waited for for ever.
    """
    pipe = stat.S_ISFIFO(path.stat().st_mode)
    at_once = os.O_NONBLOCK if pipe else 0  # else to open it is to wait for a writer
    with open(path, "rb", opener=lambda name, flags: os.open(name, flags | at_once)) as file:
        first = file.raw.read(1) if pipe else b""  # None: its writer has written nothing yet
        if pipe and first == b"":
            raise OSError("it is a pipe to which nobody writes")
        if pipe:
            os.set_blocking(file.fileno(), True)
        return (first or b"") + file.read(most)


def is_special(path: Path) -> bool:
    """Whether it is there and neither a file nor a folder: a pipe, say, whose reader waits for a writer."""
    return path.exists() and not path.is_file() and not path.is_dir()


def read_json(path: Path, advice: str) -> dict[str, Any]:
    """The object in a file of JSON. Raises CheckpointError, which ends with what to do."""

    def refuse(word: str) -> None:
        raise ValueError(f"it holds {word}")

    try:
        value = json.loads(read_whole(path).decode(), parse_constant=refuse)
    except OSError as e:
        raise CheckpointError(f"{path} cannot be read: {reason(e)}; {advice}") from e
    except (ValueError, RecursionError) as e:
        raise CheckpointError(f"{path} cannot be read: {e}; {advice}") from e
    if not isinstance(value, dict):
        raise CheckpointError(f"{path} holds no mapping: {advice}")
    return value
