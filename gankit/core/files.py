"""Files that appear whole or not at all, and the folders they lie in."""

from __future__ import annotations

import os
from pathlib import Path

from gankit.core.errors import DataError, GankitError


def write_whole(path: Path, content: str | bytes) -> None:
    """Write beside `path` and rename into place. Raises GankitError when that fails; the old file then stays."""
    draft = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        draft.write_bytes(content.encode() if isinstance(content, str) else content)
        draft.replace(path)
    except OSError as e:
        raise GankitError(f"{path}: cannot be written: {(e.strerror or str(e)).lower()}") from e
    finally:
        draft.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make a folder and those above it, where they are not there yet. Raises DataError with the reason."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as e:
        raise DataError(f"{folder}: the folder cannot be made: {(e.strerror or str(e)).lower()}") from e
