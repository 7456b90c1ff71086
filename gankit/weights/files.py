"""Reading files of weights, without running anything that is in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from gankit.core.errors import CheckpointError
from gankit.weights import store
from gankit.weights.unwrap import State, Wrapped, unwrap

SUFFIXES = (*store.SUFFIXES, ".npz")


class UnfitFile(CheckpointError):
    """A file that was given is not what was expected."""

    exit_code = 2


def read(path: Path, mapped: bool = False, names: Collection[str] = (), key: str | None = None) -> dict[str, Wrapped]:
    """The networks in a file by name, without what they were wrapped in; names, key: see `gankit.weights.unwrap`.

    Other files than `.safetensors` and `.npz` are read with torch's restricted unpickler. mapped: map the file into
    memory, so that only tensors that are used are read; the file must stay as it is while they are. Raises UnfitFile:
    what the file is, and what was expected.
    """
    if not path.is_file():
        raise UnfitFile(f"{path}: {'it is not a regular file' if path.exists() else 'there is no such file'}")
    if (suffix := path.suffix.lower()) not in SUFFIXES:
        raise UnfitFile(f"{path}: weights are expected in {', '.join(SUFFIXES)}, not '{path.suffix}'")
    if path.stat().st_size == 0:
        raise UnfitFile(f"{path}: the file is empty; copy or download it again")
    if suffix == ".safetensors":
        return _unwrapped(path, _read_safetensors(path), names, key)
    return _unwrapped(path, _read_npz(path) if suffix == ".npz" else _read_torch(path, mapped), names, key)


def stem(path: Path) -> str:
    """The name without the endings of a file of weights: `latest_net_G` of `latest_net_G.pth.tar`."""
    while path.suffix.lower() in SUFFIXES:
        path = path.with_suffix("")
    return path.name


def _read_safetensors(path: Path) -> State:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as e:
        raise UnfitFile(f"{path}: this is not a whole safetensors file: {e}") from e


def _read_npz(path: Path) -> State:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except Exception as e:  # on a damaged file it may raise anything: BadZipFile, zlib.error, ValueError, ...
        raise UnfitFile(f"{path}: this is not a whole file of NumPy arrays: {e}") from e


def _read_torch(path: Path, mapped: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and zipfile.is_zipfile(path))
    except pickle.UnpicklingError as e:
        raise UnfitFile(f"{path}: {_of_pickle(path, str(e))}") from e
    except Exception as e:  # on a damaged file it may raise anything: EOFError, struct.error, AssertionError, ...
        raise UnfitFile(f"{path}: {_damaged(path)}") from e


def _of_pickle(path: Path, reason: str) -> str:
    """In words why the restricted unpickler refuses a file."""
    if "GLOBAL" in reason or "global" in reason:
        name = reason.partition("GLOBAL ")[2].split(" ")[0].strip("`'\".,\n") or "something that is not a tensor"
        return (
            f"the file holds more than weights: it would run or rebuild {name}, so it is not opened. Save "
            "only the network's `state_dict()`, if you trust the file"
        )
    if not zipfile.is_zipfile(path) and _start(path)[:1] == b"\x80" and "truncated" not in reason:
        return "the file is a pickle of something other than weights: it may run code, so it is not opened"
    return _damaged(path)


def _damaged(path: Path) -> str:
    """What a file is that torch cannot read, as far as its first bytes tell; torch's own reasons say nothing of it."""
    start = _start(path)
    if start.startswith(b"version https://git-lfs"):
        return "this is a pointer of Git LFS, not the file itself: fetch it by `git lfs pull`"
    if start.lstrip().lower().startswith((b"<!doctype", b"<html")):
        return "this is a web page, not the file itself: download it again"
    if not start.startswith((b"PK", b"\x80")):
        return f"this is not a file of torch.save: it begins with {start[:16]!r}"
    size = path.stat().st_size
    return f"torch cannot read this file: of its {size} bytes some are missing or damaged; copy or download it again"


def _start(path: Path) -> bytes:
    with path.open("rb") as file:
        return file.read(64)


def _unwrapped(path: Path, content: object, names: Collection[str], key: str | None) -> dict[str, Wrapped]:
    if not isinstance(content, Mapping) or not content:
        raise UnfitFile(f"{path}: a mapping of names to tensors was expected, not {_what(content)}")
    try:
        found = unwrap(content, names, key)
    except KeyError:
        there = ", ".join(filter(None, unwrap(content, names))) or "one network without a name"
        raise UnfitFile(f"{path}: nothing in it is called '{key}'; there is {there}") from None
    if not found:
        if unnamed := [k for k in content if not isinstance(k, str)]:
            raise UnfitFile(f"{path}: names of tensors were expected, not {_what(unnamed[0])}, as {unnamed[0]!r}")
        odd = next(k for k, v in content.items() if not isinstance(v, Tensor))
        raise UnfitFile(f"{path}: '{odd}' was expected to be a tensor, not {_what(content[odd])}")
    return found


def _what(value: object) -> str:
    if isinstance(value, Tensor):
        return f"one tensor {tuple(value.shape)}"
    return "an empty mapping" if isinstance(value, Mapping) and not value else f"a {type(value).__name__}"
