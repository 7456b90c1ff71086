"""Public data sets into folders: fetched, checked, unpacked, whole or not at all."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path

from gankit.core.download import DownloadError, check, download, offline
from gankit.core.errors import DataError, GankitError
from gankit.core.files import drafting, make_folder, reason
from gankit.data.sets import PublicSet
from gankit.data.unpack import unpack

ROOM = 2.2
"""How much room an archive needs: for itself and for its pictures, which are about as large."""


def refuse(known: PublicSet, folder: Path, urls: Sequence[str], archive: Path | None) -> None:
    """Say before anything is fetched why it cannot be. Raises DataError, DownloadError."""
    if folder.exists() or folder.is_symlink():
        raise DataError(f"{folder} is there already; `--out` names another folder")
    if archive is not None and not archive.is_file():
        raise DataError(f"there is no file {archive}")
    if archive is None and offline() and not all(url.startswith("file://") for url in urls):
        raise DownloadError(
            f"GANKIT_OFFLINE or HF_HUB_OFFLINE is set: nothing is fetched; `--archive {known.file}` takes a file that "
            "is here"
        )
    above = next(parent for parent in folder.absolute().parents if parent.exists())
    if (free := shutil.disk_usage(above).free) < (needed := ROOM * known.size):
        raise DataError(f"{above} has {free / 1e6:.0f} MB free, and {known.name} needs about {needed / 1e6:.0f} MB")


def fetch(
    known: PublicSet,
    folder: Path,
    urls: Sequence[str],
    archive: Path | None = None,
    tell: Callable[[int], None] = lambda done: None,
) -> int:
    """Make the folder of a data set; return its number of files.

    urls: tried in this order. archive: a file that is here already, instead; it stays, as does one called as
    the folder is, which an earlier call or somebody has put there. tell: is given the bytes that
    have come. What has come of a transfer that breaks off stays beside the folder, and the next call goes on with it.
    Raises DataError, DownloadError.
    """
    refuse(known, folder, urls, archive)
    path = archive or folder.with_name(f"{folder.name}.zip")
    given = path.is_file()
    try:
        if given:
            check(path, known.size, known.sha256)
        make_folder(folder.parent)
        if not given:
            _from_one_of(urls, path, known, tell)
        with drafting(folder) as draft:
            count = unpack(path, draft)
            draft.replace(folder)
    except OSError as e:
        raise GankitError(f"{folder}: cannot be written: {reason(e)}") from e
    if not given:
        path.unlink(missing_ok=True)
    return count


def _from_one_of(urls: Sequence[str], path: Path, known: PublicSet, tell: Callable[[int], None]) -> None:
    failures = []
    for url in urls:
        try:
            return download(url, path, known.size, known.sha256, tell)
        except DownloadError as e:
            failures.append(str(e))
    raise DownloadError("\n".join(failures))
