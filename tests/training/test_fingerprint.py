"""A training goes on with the data that it has seen, or is told to go on with others."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

import gankit
from gankit import CheckpointError
from gankit.cli.main import app
from gankit.training.fingerprint import difference, digest, fingerprints
from gankit.training.run import Run
from tests.training.tiny import recipe


def draw(path: Path, seed: int) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 255, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path, "BMP" if path.suffix == ".bmp" else None)


@pytest.fixture
def trained(tmp_path: Path) -> dict[str, Any]:
    """The recipe of a run of three steps in `run`, on four pictures of A and two of B."""
    for i in range(4):
        draw(tmp_path / f"data/trainA/{i}.bmp", i)
    for i in range(2):
        draw(tmp_path / f"data/trainB/{i}.bmp", 10 + i)
    data = {"type": "unpaired", "root": str(tmp_path / "data"), "load_size": 16, "crop_size": 16}
    made = recipe() | {"data": data}
    gankit.train(made, tmp_path / "run", sets=["train.steps=3"])
    return made


def test_a_resume_with_the_same_data_goes_on(trained: dict[str, Any], tmp_path: Path) -> None:
    assert gankit.train(trained, tmp_path / "run", resume=True).step == 6


def test_other_content_of_the_same_size(trained: dict[str, Any], tmp_path: Path) -> None:
    draw(tmp_path / "data/trainA/2.bmp", 99)
    with pytest.raises(CheckpointError, match=r"a: 1 changed \(.*2.bmp\).*--data-changed"):
        gankit.train(trained, tmp_path / "run", resume=True)


def test_another_name(trained: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data/trainB/0.bmp").rename(tmp_path / "data/trainB/00.bmp")
    with pytest.raises(CheckpointError, match=r"b: 1 gone \(.*0.bmp\), 1 new \(.*00.bmp\)"):
        gankit.train(trained, tmp_path / "run", resume=True)


def test_one_file_fewer_in_the_smaller_domain(trained: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data/trainB/1.bmp").unlink()
    with pytest.raises(CheckpointError, match=r"b: 1 gone \(.*1.bmp\)"):
        gankit.train(trained, tmp_path / "run", resume=True)


def test_a_damaged_list_costs_the_details_alone(trained: dict[str, Any], tmp_path: Path) -> None:
    (tmp_path / "data/trainB/1.bmp").unlink()
    Run(tmp_path / "run").data.write_text("[1")
    with pytest.raises(CheckpointError, match="names, order or content of the files differ"):
        gankit.train(trained, tmp_path / "run", resume=True)


def test_going_on_knowingly(trained: dict[str, Any], tmp_path: Path) -> None:
    for i in range(2):
        (tmp_path / f"data/trainA/{i}.bmp").unlink()
    with pytest.raises(CheckpointError, match="data-changed"):
        gankit.train(trained, tmp_path / "run", resume=True)
    assert gankit.train(trained, tmp_path / "run", resume=True, data_changed=True).step == 6
    assert gankit.train(trained, tmp_path / "run", resume=True).step == 6  # these are the data now


def test_data_changed_belongs_to_resume() -> None:
    result = CliRunner().invoke(app, ["train", "demo-cyclegan", "--data-changed"])
    assert result.exit_code == 2 and "belongs to --resume" in result.output


def test_order_and_strangers() -> None:
    one, other = {"a": {"x": "1", "y": "2"}}, {"a": {"y": "2", "x": "1"}}
    assert digest(one) != digest(other)
    assert difference(one, other) == "a: the same files in another order"
    assert difference([1], one) == difference({"a": 1}, one) == ""


def test_a_file_that_cannot_be_read_has_a_fingerprint(tmp_path: Path) -> None:
    assert fingerprints({"a": [tmp_path / "none"]})["a"][str(tmp_path / "none")].startswith("unreadable")
