"""Archives of pictures, unpacked without trusting them."""

from __future__ import annotations

import shutil
import stat
import zipfile
import zlib
from pathlib import Path, PurePosixPath

from gankit.core.errors import DataError, printable, short

MOST_FILES = 200_000
MOST_BYTES = 32 * 2**30
MOST_RATIO = 50
"""How much larger than its archive a folder may be. Pictures hardly shrink in a ZIP."""
CLUTTER = {"__MACOSX", ".DS_Store", "Thumbs.db"}


def unpack(archive: Path, folder: Path) -> int:
    """Unpack a ZIP into a new folder, without the one folder that holds all; return the number of files.

    Raises DataError, before anything is written, for what would lie outside of the folder or in the place of another
    file, links, what is encrypted, too many or too large files; and for what is damaged.
    """
    try:
        with zipfile.ZipFile(archive) as opened:
            members = _checked(archive, opened)
            for name, member in members.items():
                path = folder / name
                path.parent.mkdir(parents=True, exist_ok=True)
                with opened.open(member) as source, path.open("xb") as target:
                    shutil.copyfileobj(source, target, 2**20)
    except (zipfile.BadZipFile, zlib.error, EOFError, NotImplementedError, RuntimeError, ValueError) as e:
        raise DataError(f"{archive} cannot be unpacked: {printable(short(str(e)))}") from e
    return len(members)


def _checked(archive: Path, opened: zipfile.ZipFile) -> dict[PurePosixPath, zipfile.ZipInfo]:
    """What is to be unpacked, by its place below the folder."""
    members = [m for m in opened.infolist() if not m.is_dir() and not CLUTTER & set(PurePosixPath(m.filename).parts)]
    total = sum(member.file_size for member in members)
    if not members:
        raise DataError(f"{archive} holds no files")
    if len(members) > MOST_FILES:
        raise DataError(f"{archive} holds {len(members)} files, more than {MOST_FILES}")
    if total > min(MOST_BYTES, MOST_RATIO * max(archive.stat().st_size, 2**20)):
        raise DataError(f"{archive} would become {total} bytes: that is no archive of pictures")
    for member in members:
        if fault := _fault(member):
            raise DataError(f"{archive} is not unpacked: {printable(short(member.filename))} {fault}")
    paths = [PurePosixPath(member.filename) for member in members]
    if len({path.parts[0] for path in paths}) == 1 and all(len(path.parts) > 2 for path in paths):
        paths = [path.relative_to(path.parts[0]) for path in paths]
    if len({str(path).casefold() for path in paths}) < len(paths):
        raise DataError(f"{archive} is not unpacked: two of its files have one name")
    return dict(zip(paths, members, strict=True))


def _fault(member: zipfile.ZipInfo) -> str:
    name = member.filename
    parts = name.split("/")
    if ".." in parts or "" in parts or "\\" in name or ":" in name or not name.isprintable():
        return "would not lie in its folder"
    if (mode := member.external_attr >> 16) and stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        return "is no plain file"
    return "is encrypted" if member.flag_bits & 1 else ""
