"""Two processes on half a batch each do what one does on the whole batch."""

from __future__ import annotations

import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import safetensors.torch
import torch

import gankit
from gankit.training import checkpoint
from gankit.training.run import Run
from gankit.training.seeds import reseed
from tests.processes import Other
from tests.training.tiny import CRITIC, CYCLEGAN, lines, recipe


def train(before: Callable[[], Any] | None, chosen: dict, out: str, resume: bool) -> None:
    if before is not None:
        before()
    gankit.train(chosen, out, resume=resume)


def unmeasured() -> None:
    """What comes after a training is left out."""
    gankit.api._finish = lambda run, device: []


def launch(
    chosen: dict, out: str, resume: bool = False, code: int = 0, before: Callable[[], Any] | None = None
) -> list[str]:
    """As torchrun does: the variables, and one process for each of two ranks, which first calls `before`.

    What they said, once both have ended with this code.
    """
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    common = {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port), "WORLD_SIZE": "2"}
    ranks = [
        Other(Path(f"rank_{rank}.log"), train, before, chosen, out, resume, **common, RANK=str(rank)) for rank in (0, 1)
    ]
    ended = [rank.end() for rank in ranks]
    assert [found for found, _ in ended] == [code] * 2, ended
    return [said for _, said in ended]


def weights(path: Path) -> dict[str, torch.Tensor]:
    latest = Run(path).latest()
    assert latest is not None
    return safetensors.torch.load_file(latest / checkpoint.NETWORKS)


def test_two_processes_are_one_with_the_joined_batch(tmp_path: Path) -> None:
    """Instance norm, no pool, SGD: the change of the weights is the gradient, times the rate.

    The rate is small, for a few steps at a large one make any two roundings drift apart.
    """
    options = {"steps": 3, "pool_size": 0, "optimizer": {"type": "sgd", "lr": 0.001}, "log_every": 1, "seed": 5}
    rough = {"grain": 0.25}  # instance norm magnifies the rounding of what is nearly flat
    launch(recipe(data=rough, batch_size=1, **options), "two")
    gankit.train(recipe(data=rough, batch_size=2, **options), "one")
    two, one = weights(tmp_path / "two"), weights(tmp_path / "one")
    reseed(5)
    first = gankit.build(recipe()).networks.state_dict()
    assert max((one[name] - first[name]).abs().max() for name in one) > 1e-3  # a wrong gradient would show
    for name in one:
        torch.testing.assert_close(two[name], one[name], rtol=0, atol=1e-6, msg=name)
    for ours, theirs in zip(lines(tmp_path / "two"), lines(tmp_path / "one"), strict=True):
        assert ours["losses"].keys() == theirs["losses"].keys()
        for name, value in theirs["losses"].items():
            assert abs(ours["losses"][name] - value) < 1e-5, name


def test_two_processes_resume_with_their_own_pools_and_buffers(tmp_path: Path) -> None:
    """One of 4 steps, and one of 2 that is made longer: the second process's own is in the checkpoint."""
    method = CYCLEGAN | {"discriminator": CRITIC | {"layers": 2, "norm": "batch"}}
    options = {"batch_size": 1, "pool_size": 1, "schedule": "constant", "save_every": 2}
    launch(recipe(method, steps=4, **options), "alone", before=unmeasured)
    launch(recipe(method, steps=2, **options), "run", before=unmeasured)
    stored = checkpoint.load(tmp_path / "run" / "checkpoints" / "step_00000002")
    first, second = (process["pools"]["a2b"]["0.0"] for process in stored.state["processes"])
    assert not torch.equal(first, second)
    launch(recipe(method, steps=4, **options), "run", resume=True, before=unmeasured)
    ours, alone = weights(tmp_path / "run"), weights(tmp_path / "alone")
    assert all(torch.equal(ours[name], alone[name]) for name in alone)
    ended = [checkpoint.load(tmp_path / run / "checkpoints" / "step_00000004") for run in ("run", "alone")]
    ours, alone = (stored.state["processes"][1]["buffers"] for stored in ended)
    moved = [name for name in alone if name.endswith("running_mean")]
    assert moved and not any(torch.equal(alone[name], ended[1].networks[name]) for name in moved)
    assert all(torch.equal(ours[name], alone[name]) for name in alone)


def test_every_process_gets_the_first_ones_error(tmp_path: Path) -> None:
    (tmp_path / "used").mkdir()
    (tmp_path / "used" / "file").touch()
    for said in launch(recipe(batch_size=1), "used", code=1):
        assert "exists and is not empty" in said
