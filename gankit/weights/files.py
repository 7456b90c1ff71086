"""Reading files of weights, without running anything that is in them."""

from __future__ import annotations

import pickle
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import safetensors.torch
import torch
from torch import Tensor

from gankit.core.errors import CheckpointError

State = Mapping[str, Tensor]
"""A network's weights by name."""
SUFFIXES = (".pth", ".pt", ".safetensors", ".npz")
WRAPPERS = ("state_dict", "params", "model")
"""Keys under which some programs put the weights, beside other things."""


class UnfitFile(CheckpointError):
    """A file that was given is not what was expected."""

    exit_code = 2


def read(path: Path, mapped: bool = False) -> dict[str, State]:
    """The state dicts of a file by network; under "" when the file is of one network.

    `.pth` and `.pt` are read with torch's restricted unpickler. mapped: map the file into memory, so that only tensors
    that are used are read; the file must stay as it is while they are. Raises UnfitFile: what the file is, and what
    was expected.
    """
    if not path.is_file():
        raise UnfitFile(f"{path}: there is no such file")
    if path.suffix == ".safetensors":
        return _by_network(path, _read_safetensors(path))
    if path.suffix == ".npz":
        return _by_network(path, _read_npz(path))
    if path.suffix in SUFFIXES:
        return _by_network(path, _read_torch(path, mapped))
    raise UnfitFile(f"{path}: weights are expected in {', '.join(SUFFIXES)}, not '{path.suffix}'")


def _read_safetensors(path: Path) -> State:
    try:
        return safetensors.torch.load_file(path)
    except (OSError, safetensors.SafetensorError) as e:
        raise UnfitFile(f"{path}: this is no whole safetensors file: {e}") from e


def _read_npz(path: Path) -> State:
    try:
        with np.load(path, allow_pickle=False) as arrays:
            return {name: torch.from_numpy(arrays[name]) for name in arrays.files}
    except Exception as e:  # on a damaged file it may raise anything: BadZipFile, zlib.error, ValueError, ...
        raise UnfitFile(f"{path}: this is no whole file of NumPy arrays: {e}") from e


def _read_torch(path: Path, mapped: bool) -> Any:
    try:
        return torch.load(path, map_location="cpu", weights_only=True, mmap=mapped and zipfile.is_zipfile(path))
    except pickle.UnpicklingError as e:
        raise UnfitFile(f"{path}: {_of_pickle(path, str(e))}") from e
    except Exception as e:  # on a damaged file it may raise anything: struct.error, AssertionError, ...
        raise UnfitFile(f"{path}: torch cannot read this file: {str(e).strip().partition(chr(10))[0]}") from e


def _of_pickle(path: Path, reason: str) -> str:
    """In words why the restricted unpickler refuses a file."""
    if "GLOBAL" in reason or "global" in reason:
        name = reason.partition("GLOBAL ")[2].split(" ")[0].strip("`'\".,\n") or "something that is no tensor"
        return (
            f"the file holds more than weights: it would run or rebuild {name}, so it is not opened. Save "
            "the network's `state_dict()` alone, where you trust the file"
        )
    if not zipfile.is_zipfile(path):
        with path.open("rb") as file:
            start = file.read(16)
        if start[:1] == b"\x80":
            return "the file is a pickle of something other than weights: it may run code, so it is not opened"
        return f"this is no file of torch.save: it begins with {start!r}"
    return "this is no file of weights that torch can read safely"


def _by_network(path: Path, content: object) -> dict[str, State]:
    if not isinstance(content, Mapping) or not content:
        raise UnfitFile(f"{path}: a mapping of names to tensors was expected, not {_what(content)}")
    for key in WRAPPERS:
        if isinstance(content.get(key), Mapping):
            return _by_network(path, content[key])
    tensors = {str(k): v for k, v in content.items() if isinstance(v, Tensor)}
    nested = {str(k): v for k, v in content.items() if isinstance(v, Mapping) and _is_state(v)}
    if nested:
        return nested
    if len(tensors) < len(content):
        odd = next(k for k, v in content.items() if not isinstance(v, Tensor))
        raise UnfitFile(f"{path}: '{odd}' was expected to be a tensor, not {_what(content[odd])}")
    return {"": tensors}


def _is_state(value: Mapping[Any, Any]) -> bool:
    return bool(value) and all(isinstance(v, Tensor) for v in value.values())


def _what(value: object) -> str:
    if isinstance(value, Tensor):
        return f"one tensor {tuple(value.shape)}"
    return "an empty mapping" if isinstance(value, Mapping) and not value else f"a {type(value).__name__}"
