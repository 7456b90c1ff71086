"""Decoded pictures in files, which all processes, workers and later runs map into their memory."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Callable, Sequence
from importlib.metadata import version
from math import prod
from pathlib import Path

import PIL
import torch
from torch import Tensor

from gankit import __version__
from gankit.core.errors import DataError, GankitError
from gankit.core.files import drafting

MAPS = 30_000
"""Files that a process keeps mapped: less than half of what Linux allows it."""
_VERSIONS = (__version__, torch.__version__, version("torchvision"), PIL.__version__)


class DiskCache:
    """Keeps uint8 tensors of shapes known beforehand, each in a file of its own, named by what it was made from.

    describe: what entry `key` is made from, file by file (see `identity`) and option by option. A changed picture, size
    or option, and another version of what decodes, have another description, and so another file. A file is written
    beside and renamed into place: a kill leaves it whole or absent, and writers do not meet. What is no longer asked
    for stays until someone deletes it; the whole folder may be deleted at any time.
    """

    def __init__(self, folder: Path, shapes: Sequence[Sequence[int]], describe: Callable[[int], str]):
        self._folder, self._describe = folder, describe
        self._shapes = [tuple(shape) for shape in shapes]
        self._files: dict[int, Path] = {}
        self._maps: dict[int, Tensor] = {}

    def __getstate__(self) -> dict:
        return {**self.__dict__, "_maps": {}}

    def get(self, key: int, make: Callable[[], Tensor]) -> Tensor:
        """Entry `key`, not to be written to; `make` is called when it is not here yet, and may raise.

        Raises GankitError when an entry cannot be written: a full disk, a folder without rights.
        """
        if key in self._maps:
            return self._maps[key]
        shape, file = self._shapes[key], self._file(key)
        try:
            entry = torch.from_file(str(file), shared=False, size=prod(shape), dtype=torch.uint8).view(shape)
        except RuntimeError:  # absent, or shorter than it should be
            entry = make().contiguous()
            self._write(file, entry)
            return entry
        if len(self._maps) < MAPS:
            self._maps[key] = entry
        return entry

    def _file(self, key: int) -> Path:
        if key not in self._files:
            made_from = repr((_VERSIONS, self._shapes[key], self._describe(key)))
            name = hashlib.sha256(made_from.encode()).hexdigest()
            self._files[key] = self._folder / name[:2] / f"{name[2:]}.u8"
        return self._files[key]

    def _write(self, file: Path, entry: Tensor) -> None:
        try:
            file.parent.mkdir(parents=True, exist_ok=True)
            with drafting(file) as draft:
                entry.numpy().tofile(draft)
                draft.replace(file)
        except OSError as error:
            gigabytes = sum(map(prod, self._shapes)) / 1e9
            raise GankitError(
                f"{self._folder}: a decoded picture cannot be kept there: {(error.strerror or str(error)).lower()}; "
                f"all of them take {gigabytes:.2g} GB: make room, set data.cache_folder to another place, "
                "or data.cache to none"
            ) from error


def identity(path: Path) -> tuple[str, int, int]:
    """What tells a file from another, and from itself once it was changed: path, time of writing, length.

    Raises DataError where it is gone.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: {(error.strerror or str(error)).lower()}") from error
    return str(path.resolve()), status.st_mtime_ns, status.st_size


def default_folder() -> Path:
    """Below the user's folder of caches."""
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "gankit" / "pictures"
