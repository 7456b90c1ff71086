"""The files of a training's data, so that a resume sees whether they are still the same."""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from gankit.core.files import is_special

PROBE = 4096
SHOWN = 3
Files = Mapping[str, Mapping[str, str]]
"""Field -> path of each file -> its size, and a checksum of parts of it."""


def fingerprints(sources: Mapping[str, Sequence[Path]]) -> dict[str, dict[str, str]]:
    """What is remembered of each file: its size, and a checksum of its beginning, its middle and its end."""
    return {field: {str(path): _of(path) for path in paths} for field, paths in sources.items()}


def digest(files: Files) -> str:
    """One for all files, in their order, which is that of the items."""
    listed = {field: list(marks.items()) for field, marks in sorted(files.items())}
    return hashlib.sha256(json.dumps(listed).encode()).hexdigest()


def difference(then: Any, now: Files) -> str:
    """In what the files differ from those that were remembered, in words; "" where that cannot be told."""
    if not isinstance(then, Mapping) or not all(isinstance(marks, Mapping) for marks in then.values()):
        return ""
    told = (
        f"{field}: {words}"
        for field in dict.fromkeys([*then, *now])
        if (words := _of_field(then.get(field, {}), now.get(field, {})))
    )
    return "; ".join(told)


def _of_field(then: Mapping[str, Any], now: Mapping[str, str]) -> str:
    gone, new = [name for name in then if name not in now], [name for name in now if name not in then]
    other = [name for name, mark in now.items() if name in then and then[name] != mark]
    parts = [_named(names, word) for names, word in ((gone, "gone"), (new, "new"), (other, "changed")) if names]
    if not parts and list(then) != list(now):
        parts = ["the same files in another order"]
    return ", ".join(parts)


def _named(names: Sequence[str], word: str) -> str:
    more = f" and {len(names) - SHOWN} more" if len(names) > SHOWN else ""
    return f"{len(names)} {word} ({', '.join(names[:SHOWN])}{more})"


def _of(path: Path) -> str:
    if is_special(path):
        return "unreadable: it is not a regular file"
    try:
        with open(path, "rb") as file:
            size = file.seek(0, 2)
            check = 0
            for start in dict.fromkeys((0, max(0, size // 2 - PROBE // 2), max(0, size - PROBE))):
                file.seek(start)
                check = zlib.crc32(file.read(PROBE), check)
    except OSError as e:
        return f"unreadable: {(e.strerror or str(e)).lower()}"
    return f"{size} {check:08x}"
