"""Trainings that begin with the networks of another run."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.core.errors import CheckpointError
from gankit.methods.cyclegan import CycleGAN
from gankit.training.initial import begin_from

SETS = (
    *("method.generator={type: resnet, channels: 2, blocks: 1}", "method.discriminator={type: patch, channels: 2}"),
    *("data={type: shapes, size: 32, train: 2, test: 1}", "train={steps: 1, workers: 0, device: cpu}"),
    "evaluate.metrics=[background_psnr]",
)


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Path:
    out = tmp_path_factory.mktemp("runs") / "first"
    return gankit.train("cyclegan", out, sets=SETS).run_dir


def networks(run: Path) -> dict[str, torch.Tensor]:
    return gankit.load(run, device="cpu").method.networks.state_dict()


def test_a_training_begins_with_the_networks_of_a_run(first: Path, tmp_path: Path) -> None:
    options = [option for s in (*SETS, "train.optimizer.lr=1e-30") for option in ("--set", s)]
    command = ["train", "cyclegan", *options, "--from", str(first), "--out", str(tmp_path / "second")]
    result = CliRunner().invoke(app, command)
    assert result.exit_code == 0, result.output
    for key, value in networks(tmp_path / "second").items():
        assert torch.allclose(value, networks(first)[key], rtol=0, atol=1e-12), key
    assert gankit.load(tmp_path / "second").recipe.train.init_from == str(first)


def test_a_resumed_run_needs_the_first_no_more(first: Path, tmp_path: Path) -> None:
    source = tmp_path / "source"
    shutil.copytree(first, source)
    sets = (*SETS, f"train.init_from={source}")
    gankit.train("cyclegan", tmp_path / "run", sets=sets)
    shutil.rmtree(source)
    again = gankit.train("cyclegan", tmp_path / "run", resume=True, sets=(*sets, "train.steps=2"))
    assert again.step == 2
    with pytest.raises(CheckpointError, match="does not exist"):
        gankit.train("cyclegan", tmp_path / "new", sets=sets)
    assert not (tmp_path / "new").exists()


def test_other_networks_are_refused(first: Path, tmp_path: Path) -> None:
    with pytest.raises(CheckpointError, match=r"is \(.*\) there and \(.*\) here.*and \d+ more"):
        gankit.train("cyclegan", tmp_path, sets=(*SETS, f"train.init_from={first}", "method.generator.channels=3"))


def test_missing_networks() -> None:
    method = CycleGAN()
    given = {key: value for key, value in method.networks.state_dict().items() if key.startswith("generator")}
    torch.nn.init.zeros_(method.network("generator", "b2a").head.weight)  # type: ignore[arg-type]
    assert begin_from(method, {k: torch.ones_like(v) for k, v in given.items()}, "runs/x") == [
        "discriminator_a2b",
        "discriminator_b2a",
    ]
    assert method.network("generator", "b2a").head.weight.eq(1).all()  # type: ignore[union-attr]
    del given["generator_b2a.head.weight"]
    with pytest.raises(CheckpointError, match=r"generator_b2a\.head\.weight is missing"):
        begin_from(method, given, "runs/x")
    with pytest.raises(CheckpointError, match="runs/x has no generator_b2a to begin from; it has generator_a2b"):
        begin_from(method, {k: v for k, v in given.items() if "a2b" in k}, "runs/x")
