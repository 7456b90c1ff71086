"""Files that appear whole or not at all, and the folders they lie in."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

from gankit.core.errors import CheckpointError, DataError, GankitError

LARGEST = 256 * 2**20
"""Bytes of a file of text that a run holds; a larger one is none of gankit's."""


def reason(error: OSError) -> str:
    """Why a file could not be read or written, in words that follow a colon."""
    return (error.strerror or str(error)).lower()


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside `path` and rename into place. Raises GankitError when that fails; the old file then stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        try:
            draft.write_bytes(content.encode() if isinstance(content, str) else content)
            draft.replace(path)
        finally:
            draft.unlink(missing_ok=True)
    except OSError as e:
        raise GankitError(f"{path}: cannot be written: {reason(e)}") from e


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
        raise OSError("it is no file")
    if most is not None and path.stat().st_size > most:
        raise OSError(f"it is larger than {most >> 20} MiB")
    return path.read_bytes()


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
