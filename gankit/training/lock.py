"""One training at a time in a run directory."""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from pathlib import Path
from typing import BinaryIO

from gankit.core.errors import CheckpointError, GankitError

LOCK = ".lock"


@contextmanager
def hold(folder: Path) -> Iterator[None]:
    """Keep other trainings out of a run directory; the end of this process, however it comes, lets them in again.

    Where the file system knows no locks, nothing is kept out. Raises CheckpointError that says which process holds it;
    GankitError where nothing can be written.
    """
    path = folder / LOCK
    try:
        file = _taken(path)
    except OSError as e:
        raise GankitError(f"{path}: cannot be written: {(e.strerror or str(e)).lower()}") from e
    try:
        yield
    finally:
        path.unlink(missing_ok=True)
        file.close()


def _taken(path: Path) -> BinaryIO:
    while True:
        # It is held as long as the run is trained.
        file = open(path, "a+b")  # noqa: SIM115
        if not _lock(file):
            file.seek(0)
            holder = file.read(200).decode(errors="replace") or "another process"
            file.close()
            raise CheckpointError(
                f"{path.parent} is being trained by {holder}: wait until it has ended, stop it, or choose another --out"
            )
        if _is_same(path, file):
            file.truncate(0)
            now = datetime.now().astimezone().isoformat(" ", "seconds")
            file.write(f"process {os.getpid()} on {platform.node()} since {now}".encode())
            file.flush()
            return file
        file.close()  # its last holder removed it between our two calls


def _is_same(path: Path, file: BinaryIO) -> bool:
    try:
        return os.path.samestat(path.stat(), os.fstat(file.fileno()))
    except FileNotFoundError:
        return False


def _lock(file: BinaryIO) -> bool:
    """Lock a file for this process alone: those that it forks, to read data, could outlive it."""
    try:
        import fcntl
    except ImportError:
        return True
    try:
        fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except (BlockingIOError, PermissionError):
        return False
    except OSError:  # a file system without locks
        return True
    return True
