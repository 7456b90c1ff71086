"""Where decoded, resized pictures are kept: nowhere, in RAM, or on disk."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable, Sequence
from math import prod
from pathlib import Path
from typing import Literal, NamedTuple

from gankit.data.cache import Cache
from gankit.data.disk_cache import DiskCache, default_folder

log = logging.getLogger("gankit.data")

Where = Literal["auto", "none", "ram", "disk"]
SHARE = 8
"""`auto` fills at most this part of the memory with one folder's pictures: an eighth."""


class Keeping(NamedTuple):
    """Options `cache` and `cache_folder` of a data set.

    where: `ram`, in this machine's memory, for this run; `disk`, in files below `folder` (default:
    `~/.cache/gankit/pictures`, below `XDG_CACHE_HOME` where that is set), for later runs too; `auto`, in RAM where a
    folder's pictures take at most an eighth of it (divided by the processes of this machine), else `none`.
    """

    where: Where = "none"
    folder: str = ""

    def open(self, shapes: Sequence[Sequence[int]], describe: Callable[[int], str]) -> Cache | DiskCache | None:
        """A place for uint8 entries of these shapes; describe: what each is made from (see `DiskCache`)."""
        if self.where == "disk":
            return DiskCache(Path(self.folder).expanduser() if self.folder else default_folder(), shapes, describe)
        if self.where == "auto" and (size := sum(map(prod, shapes))) > (room := _room()):
            log.info(
                "pictures are not kept in memory: they take %.2g GB, and %.2g GB are allowed; see `cache`",
                size / 1e9,
                room / 1e9,
            )
            return None
        return None if self.where == "none" else Cache(shapes)


def _room() -> int:
    """Bytes that `auto` may fill."""
    return memory() // SHARE // int(os.environ.get("LOCAL_WORLD_SIZE", 1))


def memory() -> int:
    """Bytes of RAM that this process may hope for: what the machine has free, within the limits of control groups.

    0 where that is not known: on other systems than Linux.
    """
    if sys.platform != "linux":
        return 0
    lines = Path("/proc/meminfo").read_text().splitlines()
    free = next((int(line.split()[1]) * 1024 for line in lines if line.startswith("MemAvailable")), 0)
    return min([free, *_limits()])


def _limits(root: Path = Path("/sys/fs/cgroup"), own: Path = Path("/proc/self/cgroup")) -> list[int]:
    """The limits of this process's control groups, and of those around them, of both versions."""
    limits = []
    for line in own.read_text().splitlines() if own.is_file() else ():
        _, controllers, path = line.split(":", 2)
        if controllers and "memory" not in controllers.split(","):
            continue
        base, name = (root / "memory", "memory.limit_in_bytes") if controllers else (root, "memory.max")
        inner = base / path.lstrip("/")
        for folder in (inner, *inner.parents):
            if folder.is_relative_to(base) and (folder / name).is_file():
                text = (folder / name).read_text().strip()
                limits += [int(text)] if text.isdigit() else []
    return limits
