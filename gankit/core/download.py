"""Files from the network: begun again where they broke off, and kept only when their size and SHA-256 are right."""

from __future__ import annotations

import hashlib
import os
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.client import HTTPException
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError, URLError

from gankit import __version__
from gankit.core.errors import DataError, GankitError
from gankit.core.files import reason

PATIENCE = 20.0
"""Seconds that a silent server is waited for."""
TRIES = 20
"""How often a transfer that breaks off is gone on with, as long as each brings something."""
PIECE = 2**18
SCHEMES = ("https://", "http://", "file://")


class DownloadError(GankitError):
    """A file could not be fetched, or what came is not the one that was asked for."""


class _Broken(Exception):
    """Why a transfer ended early."""


def offline() -> bool:
    """Whether nothing may be fetched."""
    return any(
        os.environ.get(name, "").lower() in ("1", "true", "on", "yes") for name in ("GANKIT_OFFLINE", "HF_HUB_OFFLINE")
    )


def download(url: str, path: Path, size: int, sha256: str, tell: Callable[[int], None] = lambda done: None) -> None:
    """Fetch a file to `path`, whole or not at all.

    What has come lies beside it as NAME.part, and a later call goes on there; a server that knows no ranges, or a
    part that turns out to be wrong, means a new beginning. tell: is given the bytes that are there. Raises
    DownloadError: what failed, and what to do.
    """
    part = path.with_name(f"{path.name}.part")
    with _alone(part) as file:
        resumed = 0 < _end(file) <= size
        _complete(url, file, size, tell)
        if resumed and _sha256(file) != sha256:  # of an older, or another file: once from its beginning
            file.truncate(0)
            _complete(url, file, size, tell)
        if (found := _sha256(file)) != sha256:
            part.unlink()
            raise DownloadError(
                f"{url} is not the file that is known: its SHA-256 is {found[:12]}..., not {sha256[:12]}.... It was "
                "not kept"
            )
        part.replace(path)


def check(path: Path, size: int, sha256: str) -> None:
    """Refuse a file of the user's that is not the known one. Raises DataError, OSError."""
    with path.open("rb") as file:
        if (found := _end(file)) != size:
            raise DataError(f"{path} has {found} bytes, not {size}: it is damaged, or another file")
        if (digest := _sha256(file)) != sha256:
            raise DataError(
                f"{path} is not the file that is known: its SHA-256 is {digest[:12]}..., not {sha256[:12]}..."
            )


def _complete(url: str, file: IO[bytes], size: int, tell: Callable[[int], None]) -> None:
    """Receive until all is there, as long as each try brings something."""
    if _end(file) > size:
        file.truncate(0)
    for _ in range(TRIES):
        before = _end(file)
        tell(before)
        if before == size:
            return
        try:
            _receive(url, file, size, tell)
            why = "the server ended the transfer early"
        except _Broken as e:
            why = str(e)
        if _end(file) == before:
            raise DownloadError(f"{url}: {why}{_progress(before, size)}")
    if _end(file) < size:
        raise DownloadError(f"{url}: the transfer broke off {TRIES} times{_progress(_end(file), size)}")


def _progress(done: int, size: int) -> str:
    return f"; {done} of {size} bytes are here, and the same command goes on there" if done else ""


def _receive(url: str, file: IO[bytes], size: int, tell: Callable[[int], None]) -> None:
    have = _end(file)
    headers = {"User-Agent": f"gankit/{__version__}"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with urllib.request.urlopen(urllib.request.Request(url, headers=headers), timeout=PATIENCE) as answer:
            if have and not str(answer.headers.get("Content-Range")).startswith(f"bytes {have}-"):
                file.truncate(0)  # it begins at the beginning
                have = 0
            coming = answer.headers.get("Content-Length", "")
            if coming.isdecimal() and have + int(coming) != size:
                raise DownloadError(f"{url} has {have + int(coming)} bytes, not {size}: it is another file")
            while have < size and (piece := answer.read(min(PIECE, size - have))):
                _write(file, piece)
                have += len(piece)
                tell(have)
    except HTTPError as e:
        e.close()
        raise _Broken(f"the server answers {e.code} {e.reason}") from e
    except (OSError, HTTPException) as e:  # URLError is an OSError, and so is a silence
        cause = e.reason if isinstance(e, URLError) else e
        why = reason(cause) if isinstance(cause, OSError) else str(cause).strip()
        raise _Broken(why or type(e).__name__) from e


def _write(file: IO[bytes], piece: bytes) -> None:
    try:
        file.write(piece)
        file.flush()
    except OSError as e:
        raise DownloadError(f"{file.name} cannot be written: {reason(e)}; make room and run the command again") from e


def _end(file: IO[bytes]) -> int:
    return file.seek(0, os.SEEK_END)


def _sha256(file: IO[bytes]) -> str:
    file.seek(0)
    return hashlib.file_digest(file, "sha256").hexdigest()  # pyright: ignore[reportArgumentType]


@contextmanager
def _alone(part: Path) -> Iterator[Any]:
    """The part, open for going on; refused where another process writes it."""
    with part.open("a+b") as file:
        try:
            import fcntl
        except ImportError:  # not on Windows
            pass
        else:
            try:
                fcntl.lockf(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except OSError as e:
                raise DownloadError(f"another process is fetching {part}: {reason(e)}") from e
        try:
            yield file
        finally:
            if part.exists() and not part.stat().st_size:  # nothing came
                part.unlink()
