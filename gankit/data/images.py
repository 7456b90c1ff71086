"""Which files of a folder are its pictures."""

from __future__ import annotations

import logging
import os
from collections import Counter
from collections.abc import Iterable, Iterator, Set
from functools import cache
from pathlib import Path

from gankit.codecs.images import EXTENSIONS
from gankit.core.errors import DataError
from gankit.core.files import ending

log = logging.getLogger("gankit.data")

IGNORED_FOLDERS = frozenset(
    {"@eaDir", "#recycle", "__MACOSX", "$RECYCLE.BIN", "System Volume Information", "lost+found"}
)
"""Of file servers and systems, which keep thumbnails and copies in them; hidden ones are left out too."""
IGNORED_FILES = frozenset({"thumbs.db", "desktop.ini"})
NOTES = frozenset({"", ".txt", ".md", ".json", ".csv", ".html", ".xml", ".yaml", ".yml"})
"""Endings of what nobody takes for a picture."""


def list_images(folder: str | Path, extensions: Set[str] = EXTENSIONS) -> list[Path]:
    """All picture files in a folder and its subfolders, sorted. Raises DataError if there are none.

    Left out are hidden files and folders, and those in which systems keep thumbnails. Links are followed, but no folder
    is read twice. extensions: of the names of pictures, in small letters; how many files have others is told once, on
    stderr.
    """
    folder = Path(folder).expanduser()
    if not folder.is_dir():
        what = "is not a folder" if folder.exists() else "does not exist"
        raise DataError(f"{folder.absolute()} {what}; it should be a folder of pictures")
    found = sorted(_files(folder))
    paths = [path for path in found if ending(path, extensions)]
    if not paths:
        raise DataError(
            f"{folder.absolute()} holds no picture; pictures are files ending in {', '.join(sorted(extensions))}"
        )
    _tell(folder, paths, [path for path in found if not ending(path, extensions)])
    return paths


def by_name(folder: Path, extensions: Set[str] = EXTENSIONS) -> dict[str, Path]:
    """Path under the folder, without extension -> file. Raises DataError where two files have one name."""
    files: dict[str, Path] = {}
    for path in list_images(folder, extensions):
        name = path.relative_to(folder).with_suffix("").as_posix()
        if name in files:
            raise DataError(f"{files[name]} and {path} have the same name")
        files[name] = path
    return files


def _files(root: Path) -> Iterator[Path]:
    """All files that are not hidden: first those of the folder itself, then those behind links to other folders."""
    seen: set[str] = set()
    waiting = [root]
    while waiting:
        for parent, folders, files in os.walk(waiting.pop(0), onerror=_refuse):
            real = os.path.realpath(parent)
            visible = [] if real in seen else [f for f in folders if not f.startswith(".") and f not in IGNORED_FOLDERS]
            links = [name for name in visible if os.path.islink(os.path.join(parent, name))]
            folders[:] = [name for name in visible if name not in links]
            waiting += [Path(parent, name) for name in sorted(links) if not _holds(Path(parent, name), root)]
            if real not in seen:
                seen.add(real)
                names = (name for name in files if not name.startswith(".") and name.lower() not in IGNORED_FILES)
                yield from (Path(parent, name) for name in names)


def _holds(link: Path, folder: Path) -> bool:
    """Whether the folder lies in that to which the link leads, or is it."""
    return folder.resolve().is_relative_to(link.resolve())


def _refuse(error: OSError) -> None:
    raise DataError(f"{error.filename}: {(error.strerror or str(error)).lower()}") from error


def _tell(folder: Path, taken: list[Path], others: list[Path]) -> None:
    if len({path.suffix.lower() for path in taken}) > 1:
        tell_once(logging.INFO, f"{folder}: {len(taken)} pictures: {_endings(taken)}")
    if others:
        level = logging.INFO if all(path.suffix.lower() in NOTES for path in others) else logging.WARNING
        what = (
            "1 file whose ending is not that of a picture"
            if len(others) == 1
            else (f"{len(others)} files whose endings are not those of pictures")
        )
        tell_once(level, f"{folder}: left out {what}: {_endings(others)}; the first is {others[0].name}")


def _endings(paths: Iterable[Path]) -> str:
    counts = Counter(path.suffix.lower() or "none" for path in paths)
    return ", ".join(f"{count} {ending}" for ending, count in sorted(counts.items(), key=lambda pair: (-pair[1], pair)))


@cache
def tell_once(level: int, text: str) -> None:
    """A folder is read for each split and measurement, and described once."""
    log.log(level, text)
