from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any

import pytest
import torch

from gankit.core.errors import CheckpointError, GankitError, TrainingError
from gankit.training import checkpoint
from gankit.training.checkpoint import Checkpoint
from gankit.training.tree import pack, unpack


def made(step: int, value: float = 1.0) -> Checkpoint:
    networks = {"generator_a2b.weight": torch.full((2, 3), value), "generator_a2b.bias": torch.zeros(3)}
    state = {"moments": {0: {"exp_avg": torch.arange(3.0), "step": 4}, 1: {}}, "betas": (0.5, 0.999), "rate": 0.1}
    return Checkpoint(networks, {"generator_a2b.bias": torch.ones(3)}, state, {"step": step, "epoch": 0, "recipe": {}})


def test_what_is_saved_comes_back(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, made(7))
    back = checkpoint.load(path)
    assert path.name == "step_00000007"
    assert back.info == made(7).info | {"format": 1}
    assert torch.equal(back.networks["generator_a2b.weight"], made(7).networks["generator_a2b.weight"])
    assert back.ema is not None and torch.equal(back.ema["generator_a2b.bias"], torch.ones(3))
    assert torch.equal(back.state["moments"][0]["exp_avg"], torch.arange(3.0))
    assert back.state["betas"] == (0.5, 0.999)
    assert {p.suffix for p in path.iterdir()} == {".safetensors", ".json"}  # nothing to unpickle


def test_the_newest_are_kept(tmp_path: Path) -> None:
    for step in (1, 2, 3, 10):
        checkpoint.save(tmp_path, made(step), keep=2)
    assert [p.name for p in checkpoint.found(tmp_path)] == ["step_00000003", "step_00000010"]


def test_a_step_can_be_saved_again(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, made(1, 1.0))
    path = checkpoint.save(tmp_path, made(1, 2.0))
    assert checkpoint.load(path).networks["generator_a2b.weight"][0, 0] == 2
    assert [p.name for p in tmp_path.iterdir()] == ["step_00000001"]


@pytest.mark.parametrize("calls", [0, 1, 2, 3, 4])
def test_a_full_disk_leaves_the_checkpoints_before(calls: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The disk is full at the first, second, ... file."""
    before = checkpoint.save(tmp_path, made(1))
    left, real = [calls], os.fsync

    def full(descriptor: int) -> None:
        if not left[0]:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
        left[0] -= 1
        real(descriptor)

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GankitError, match=r"step_00000002: .*no space left on device; make room") as caught:
        checkpoint.save(tmp_path, made(2))
    assert caught.value.exit_code == 1
    assert [p.name for p in tmp_path.iterdir()] == ["step_00000001"]
    checkpoint.load(before)


def test_a_copy_of_another_name_is_neither_taken_nor_removed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, made(1), keep=1)
    (tmp_path / "step_00000001_best").mkdir()
    checkpoint.save(tmp_path, made(2), keep=1)
    assert {p.name for p in tmp_path.iterdir()} == {"step_00000001_best", "step_00000002"}
    assert [p.name for p in checkpoint.found(tmp_path)] == ["step_00000002"]


def test_what_a_killed_write_left_is_ignored_and_removed(tmp_path: Path) -> None:
    checkpoint.save(tmp_path, made(1))
    (tmp_path / ".step_00000002.part").mkdir()
    (tmp_path / ".step_00000002.part" / "networks.safetensors").write_bytes(b"half")
    assert [p.name for p in checkpoint.found(tmp_path)] == ["step_00000001"]
    checkpoint.save(tmp_path, made(3))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["step_00000001", "step_00000003"]


@pytest.mark.parametrize("name", [checkpoint.NETWORKS, checkpoint.EMA, checkpoint.STATE, checkpoint.INDEX])
@pytest.mark.parametrize("damage", ["cut", "flipped", "gone", "empty"])
def test_a_damaged_file_is_named(name: str, damage: str, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, made(1))
    path = checkpoint.save(tmp_path, made(2))
    raw = (path / name).read_bytes()
    if damage == "gone":
        (path / name).unlink()
    else:
        broken = {"cut": raw[:-5], "flipped": bytes([raw[0] ^ 255]) + raw[1:], "empty": b""}[damage]
        (path / name).write_bytes(broken)
    with pytest.raises(CheckpointError, match=rf"step_00000002/{name}: .* go on from step_00000001"):
        checkpoint.load(path)


@pytest.mark.parametrize(
    "index", [[], {}, {"format": 1}, {"format": 99, "step": 1, "epoch": 0, "recipe": {}, "files": {}}]
)
def test_an_index_that_is_none(index: Any, tmp_path: Path) -> None:
    (tmp_path / checkpoint.INDEX).write_text(json.dumps(index))
    with pytest.raises(CheckpointError, match=r"not the index|upgrade gankit|SHA-256"):
        checkpoint.load(tmp_path)


def sign(path: Path, index: dict[str, Any]) -> None:
    """Write an index with the digest that belongs to it."""
    del index[checkpoint.OWN]
    (path / checkpoint.INDEX).write_text(json.dumps(index | {checkpoint.OWN: checkpoint._digest(index)}))


def test_no_number_of_the_index_can_be_changed(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path, made(7))
    text = (path / checkpoint.INDEX).read_text()
    for changed in (text.replace('"step": 7', '"step": 8'), text.replace(f'"{checkpoint.OWN}"', '"other"')):
        assert changed != text
        (path / checkpoint.INDEX).write_text(changed)
        with pytest.raises(CheckpointError, match="SHA-256 differs"):
            checkpoint.load(path)


def test_an_index_cannot_name_files_elsewhere(tmp_path: Path) -> None:
    path = checkpoint.save(tmp_path / "run", made(1))
    index = json.loads((path / checkpoint.INDEX).read_text())
    index["files"]["../../secret"] = "0"
    sign(path, index)
    with pytest.raises(CheckpointError, match=r"names a file '\.\./\.\./secret'"):
        checkpoint.load(path)


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_networks_that_are_not_finite_are_not_saved(value: float, tmp_path: Path) -> None:
    checkpoint.save(tmp_path, made(1))
    with pytest.raises(TrainingError, match=r"step 2: generator_a2b.weight holds NaN"):
        checkpoint.save(tmp_path, made(2, value))
    assert [p.name for p in tmp_path.iterdir()] == ["step_00000001"]


def test_trees_come_back_as_they_were() -> None:
    tree = {"a/b": torch.ones(1), "a": {"b": torch.zeros(2)}, "list": [1, (2.5, None, "x", True)], "ints": {3: [4]}}
    packed, tensors = pack(tree)
    back = unpack(json.loads(json.dumps(packed)), tensors)
    assert torch.equal(back["a/b"], torch.ones(1))
    assert torch.equal(back["a"]["b"], torch.zeros(2))
    assert back["list"] == tree["list"]
    assert back["ints"] == {3: [4]}


def test_marks_in_a_tree_are_data() -> None:
    packed, tensors = pack({"$tensor": "0", "$items": [1]})
    assert unpack(json.loads(json.dumps(packed)), tensors) == {"$tensor": "0", "$items": [1]}


def test_what_needs_code_to_come_back_is_refused() -> None:
    with pytest.raises(TypeError, match="/x holds a complex"):
        pack({"x": 1j})
