"""A checkpoint: a directory of safetensors and JSON that is there whole or not at all.

    step_00000040/
      networks.safetensors   all networks, as `role_direction.parameter`
      ema.safetensors        the averaged generators, when the recipe asks for them
      state.safetensors      tensors of optimizers, losses, callbacks, and of each process its image pools
                             and buffers
      state.json             step, epoch, the filled recipe, versions, the scalars of the state, SHA-256 of the files
                             and of itself

Nothing in it is code, and nothing is read with pickle. Random states are not in it: each step seeds all generators from
(seed, process, step), and each item of the data from (seed, epoch, index).
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import safetensors.torch
import torch
from torch import Tensor

from gankit.core.errors import CheckpointError, GankitError, TrainingError
from gankit.core.files import read_whole
from gankit.training.tree import own, pack, unpack

FORMAT = 1
OWN = "sha256"
"""Of state.json, where its own digest stands."""
NETWORKS, EMA, STATE, INDEX = "networks.safetensors", "ema.safetensors", "state.safetensors", "state.json"


@dataclass
class Checkpoint:
    """What is stored. info: step, epoch, recipe, versions: JSON-able. ema: None when there is none. state: by whose it
    is, `stepper` (with that of the `losses`), `processes` (of each its `pools` and `buffers`), `meter`, `callbacks`."""

    networks: Mapping[str, Tensor]
    ema: Mapping[str, Tensor] | None
    state: Mapping[str, Any]
    info: dict[str, Any]

    @property
    def step(self) -> int:
        return self.info["step"]

    @property
    def learned(self) -> dict[str, Tensor]:
        """What the losses hold, by `losses.name.key`."""
        losses = self.state.get("stepper", {}).get("losses", {})
        return {f"losses.{name}.{k}": v for name, state in losses.items() for k, v in state.items()}


def save(folder: Path, checkpoint: Checkpoint, keep: int = 2, keep_every: int | None = None) -> Path:
    """Write `folder/step_XXXXXXXX` and remove all but the newest `keep`, and those of every `keep_every`-th step.

    It is written beside and renamed into place. Raises TrainingError, and writes nothing, when a network or a loss
    holds NaN or infinite values; GankitError when the disk refuses (the checkpoints before stay).
    """
    _refuse_broken(checkpoint)
    target = folder / f"step_{checkpoint.step:08d}"
    draft = folder / f".{target.name}.part"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        clean(folder)
        draft.mkdir()
        _write_files(draft, checkpoint)
        _put(draft, target)  # it may be there: after a resume from an earlier one
    except OSError as e:
        shutil.rmtree(draft, ignore_errors=True)
        raise GankitError(
            f"{target}: the checkpoint cannot be written: {(e.strerror or str(e)).lower()}; make room (or lower "
            "train.keep) and go on with --resume. Checkpoints written before are untouched"
        ) from e
    clean(folder)
    for old in found(folder)[:-keep]:
        if not keep_every or int(old.name.removeprefix("step_")) % keep_every:
            shutil.rmtree(old, ignore_errors=True)
    return target


def keep_as(path: Path, name: str) -> Path:
    """Keep a checkpoint under another name too, in the place of what has that name; the files are shared, not copied.

    Raises GankitError when the disk refuses.
    """
    target, draft = path.with_name(name), path.with_name(f".step_{name}.part")
    try:
        clean(path.parent)
        shutil.copytree(path, draft, copy_function=_link)
        _put(draft, target)
    except OSError as e:
        raise GankitError(f"{target}: the checkpoint cannot be kept: {(e.strerror or str(e)).lower()}") from e
    clean(path.parent)
    return target


def _put(draft: Path, target: Path) -> None:
    """Rename a folder into the place of another, or where there is none; `clean` removes what was there."""
    if target.exists():
        target.rename(target.with_name(f".step_{target.name.removeprefix('step_')}.old"))
    draft.rename(target)
    _sync(target.parent)


def _link(source: str, target: str) -> None:
    try:
        os.link(source, target)
    except OSError:  # a file system without links
        shutil.copy2(source, target)


def found(folder: Path) -> list[Path]:
    """The checkpoints of a folder, oldest first. What a killed write left is none, nor is a copy of another name."""
    return sorted(path for path in folder.glob("step_*") if is_step(path.name.removeprefix("step_")))


def is_step(text: str) -> bool:
    """Whether it is the number of a step."""
    return text.isascii() and text.isdigit() and len(text) < 20


def clean(folder: Path) -> None:
    """Remove what killed writes left behind."""
    for leftover in [*folder.glob(".step_*.part"), *folder.glob(".step_*.old")]:
        shutil.rmtree(leftover, ignore_errors=True)


def load(path: Path) -> Checkpoint:
    """Read a checkpoint and check every file against its SHA-256. Raises CheckpointError, naming the file at fault."""
    index = read_index(path)
    tensors = {name: _load_tensors(path / name, digest) for name, digest in index["files"].items()}
    try:
        state = unpack(index["state"], tensors[STATE])
        if not isinstance(state, dict):
            raise TypeError("it is not a mapping")
        info = {k: v for k, v in index.items() if k not in ("files", "state")}
        return Checkpoint(tensors[NETWORKS], tensors.get(EMA), state, info)
    except KeyError as e:
        raise _unreadable(path / INDEX, f"{e} is missing") from e
    except (TypeError, ValueError, RecursionError) as e:
        raise _unreadable(path / INDEX, f"its state is none: {e}") from e


def read_index(path: Path) -> dict[str, Any]:
    """`state.json` of a checkpoint. Raises CheckpointError."""
    try:
        index = json.loads(read_whole(path / INDEX))
    except (OSError, ValueError, RecursionError) as e:
        raise _unreadable(path / INDEX, e.strerror if isinstance(e, OSError) and e.strerror else str(e)) from e
    wanted = {"format": int, "step": int, "epoch": int, "recipe": dict, "files": dict}
    if not isinstance(index, dict) or not all(isinstance(index.get(k), t) for k, t in wanted.items()):
        raise _unreadable(path / INDEX, "it is not the index of a checkpoint")
    if index["format"] > FORMAT:
        raise CheckpointError(f"{path} has format {index['format']}, but this gankit reads {FORMAT}: upgrade gankit")
    if index.pop(OWN, None) != _digest(index):
        raise _unreadable(path / INDEX, "its content is not what was written (SHA-256 differs)")
    if stranger := set(index["files"]) - {NETWORKS, EMA, STATE}:
        raise _unreadable(path / INDEX, f"it names a file {sorted(stranger)[0]!r}")
    return index


def _write_files(folder: Path, checkpoint: Checkpoint) -> None:
    scalars, tensors = pack(checkpoint.state)
    files = {NETWORKS: dict(checkpoint.networks), STATE: tensors}
    if checkpoint.ema is not None:
        files[EMA] = dict(checkpoint.ema)
    digests = {}
    for name, content in files.items():
        raw = safetensors.torch.save({k: own(v) for k, v in content.items()})
        digests[name] = hashlib.sha256(raw).hexdigest()
        write(folder / name, raw)
    index = {"format": FORMAT, **checkpoint.info, "files": digests, "state": scalars}
    write(folder / INDEX, json.dumps(index | {OWN: _digest(index)}, indent=1).encode())
    _sync(folder)


def _digest(index: Mapping[str, Any]) -> str:
    """Of the values as they are read back: keys are text, tuples are lists."""
    values = json.loads(json.dumps(index))
    return hashlib.sha256(json.dumps(values, sort_keys=True).encode()).hexdigest()


def write(path: Path, raw: bytes) -> None:
    """Write a file and wait until the disk has it."""
    with open(path, "wb") as file:
        file.write(raw)
        file.flush()
        os.fsync(file.fileno())


def _sync(folder: Path) -> None:
    """Wait until the disk has the names in a folder."""
    if os.name == "posix":
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def _load_tensors(path: Path, digest: Any) -> dict[str, Tensor]:
    try:
        raw = read_whole(path, None)
        if hashlib.sha256(raw).hexdigest() != digest:
            raise _unreadable(path, "its content is not what was written (SHA-256 differs)")
        return safetensors.torch.load(raw)
    except OSError as e:
        raise _unreadable(path, (e.strerror or str(e)).lower()) from e
    except safetensors.SafetensorError as e:
        raise _unreadable(path, str(e)) from e


def _unreadable(path: Path, why: str) -> CheckpointError:
    checkpoint = path.parent
    others = [other.name for other in found(checkpoint.parent) if other != checkpoint]
    text = f"{path}: this checkpoint cannot be read: {why}. "
    if others:
        return CheckpointError(text + f"Remove the folder {checkpoint.name} to go on from {others[-1]}")
    return CheckpointError(text + "There is no other one in this run: train again")


def _refuse_broken(checkpoint: Checkpoint) -> None:
    """A gradient that is NaN can poison weights while the losses of that step are still finite."""
    floats = {k: v for k, v in {**checkpoint.networks, **checkpoint.learned}.items() if v.is_floating_point()}
    fine = torch.stack([v.isfinite().all() for v in floats.values()]).tolist() if floats else []
    broken = [name for name, ok in zip(floats, fine, strict=True) if not ok]
    if broken:
        more = f" and {len(broken) - 1} more tensors" if len(broken) > 1 else ""
        raise TrainingError(f"step {checkpoint.step}: {broken[0]}{more} holds NaN or infinite values; it is not saved")
