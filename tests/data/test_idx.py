"""IDX files: what is read, how they are divided and resized, what is refused."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest
import torch

from gankit.core.errors import DataError
from gankit.data.idx import IDX, read_idx
from gankit.testing import check_component
from tests.data.idx_files import write_idx

TRAIN, TEST = "train-images-idx3-ubyte", "t10k-images-idx3-ubyte"
DRAWS = torch.Generator()


def values(data: IDX) -> list[int]:
    return [round((data.item(i, DRAWS)["a"][0, 0, 0].item() + 1) * 127.5) for i in range(len(data))]


def test_two_files(tmp_path: Path) -> None:
    write_idx(tmp_path / TRAIN, 12)
    write_idx(tmp_path / f"{TEST}.gz", 5)
    data = IDX(root=str(tmp_path), size=8)
    assert values(data) == list(range(12)) and values(data.split("test")) == list(range(5))
    assert data.split("test").split("train") is not data and data.split("train") is data


@pytest.mark.parametrize("name", [TRAIN, f"{TEST}.gz"])
def test_one_file_is_divided(tmp_path: Path, name: str) -> None:
    write_idx(tmp_path / name, 25)
    data = IDX(root=str(tmp_path), size=8)
    assert values(data.split("test")) == [9, 19]
    assert values(data) == [i for i in range(25) if i not in (9, 19)]
    assert "divided" in repr(data)


def test_sizes(tmp_path: Path) -> None:
    write_idx(tmp_path / f"{TEST}.gz", 20, 4, 6)
    padded = IDX(root=str(tmp_path), size=9).item(7, DRAWS)["a"][0]
    assert padded.shape == (9, 9)
    inside = padded > -1
    assert inside.sum() == 24 and inside[2:6, 1:7].all()
    stretched = IDX(root=str(tmp_path), size=9, resize="bilinear").item(7, DRAWS)["a"]
    torch.testing.assert_close(stretched, torch.full((1, 9, 9), 7 / 127.5 - 1))
    with pytest.raises(DataError, match="bilinear"):
        IDX(root=str(tmp_path), size=5)


def test_a_component(tmp_path: Path) -> None:
    write_idx(tmp_path / f"{TEST}.gz", 20)
    check_component("dataset", "idx", overrides={"root": str(tmp_path), "size": 12})


def test_refusals(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="neither"):
        IDX(root=str(tmp_path))
    path = tmp_path / TRAIN
    write_idx(path, 12)
    whole = path.read_bytes()
    for content, reason in (
        (b"", "does not begin"),
        (b"\x00\x00\x08\x01" + whole[4:], "does not begin"),
        (whole[:-1], "cut off"),
        (whole[:4] + b"\xff" * 12, "more than gankit reads"),
    ):
        path.write_bytes(content)
        with pytest.raises(DataError, match=reason):
            IDX(root=str(tmp_path))
    packed = tmp_path / f"{TEST}.gz"
    for content in (whole, gzip.compress(whole)[:-30]):
        packed.write_bytes(content)
        with pytest.raises(DataError, match=TEST):
            read_idx(packed)
    write_idx(path, 5)
    packed.unlink()
    with pytest.raises(DataError, match="too few"):
        IDX(root=str(tmp_path), size=8).split("test")


def test_there_is_no_validation(tmp_path: Path) -> None:
    write_idx(tmp_path / TRAIN, 20)
    with pytest.raises(DataError, match="no pictures for val"):
        IDX(root=str(tmp_path)).split("val")
