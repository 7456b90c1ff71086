"""Pictures that are set aside for validation."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gankit.core.errors import DataError
from gankit.data import InpaintingFolder, PairedFolder, Single, Unpaired


def pictures(folder: Path, count: int, size: tuple[int, int] = (16, 16), first: int = 0) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(first, first + count):
        Image.new("RGB", size, (i * 5 % 256, i // 50, 0)).save(folder / f"{i:03d}.png")


def reds(data) -> list[int]:
    return sorted(round(float((data.item(i, None)["a"][0, 0, 0] + 1) * 127.5)) for i in range(len(data)))


SIDES = {"load_size": 16, "crop_size": 16, "flip": False, "cache": "none"}


def test_a_share_is_disjoint_and_fixed_by_name(tmp_path: Path) -> None:
    pictures(tmp_path / "train", 40)
    data = Single(root=str(tmp_path), val=0.2, **SIDES)
    val = data.split("val")
    assert 3 <= len(val) <= 14 and len(val) + len(data) == 40
    assert not set(reds(val)) & set(reds(data)) and "val" in repr(val)
    assert len(Single(root=str(tmp_path), **SIDES)) == 40
    before = set(reds(val))
    pictures(tmp_path / "train", 10, first=40)
    assert before <= set(reds(Single(root=str(tmp_path), val=0.2, **SIDES).split("val")))  # the others stay


def test_folders_called_val(tmp_path: Path) -> None:
    for name, count in (("trainA", 5), ("trainB", 4), ("valA", 3), ("valB", 2), ("testA", 1), ("testB", 1)):
        pictures(tmp_path / name, count)
    data = Unpaired(root=str(tmp_path), **SIDES)
    assert (len(data), len(data.split("val")), len(data.split("test"))) == (5, 3, 1)
    pictures(tmp_path / "val", 6)
    pictures(tmp_path / "train", 7)
    assert len(Single(root=str(tmp_path), **SIDES).split("val")) == 6
    assert len(InpaintingFolder(root=str(tmp_path), masks="drawn", **SIDES).split("val")) == 6


def test_pairs(tmp_path: Path) -> None:
    pictures(tmp_path / "train", 30, (32, 16))
    data = PairedFolder(root=str(tmp_path), val=0.3, **SIDES)
    assert len(data) + len(data.split("val")) == 30 and not set(reds(data)) & set(reds(data.split("val")))
    for name in ("a", "b"):
        pictures(tmp_path / name, 30)
    two = PairedFolder(root=str(tmp_path), a="a", b="b", val=0.3, **SIDES)
    assert (len(two), len(two.split("val"))) == (len(data), len(data.split("val")))
    with pytest.raises(DataError, match="set a share of the training pairs aside"):
        PairedFolder(root=str(tmp_path), a="a", b="b", **SIDES).split("val")


def test_what_is_not_there_is_told(tmp_path: Path) -> None:
    pictures(tmp_path / "train", 2)
    with pytest.raises(DataError, match=r"there is no folder .*val, and no share is set aside, as by `val: 0.1`"):
        Single(root=str(tmp_path), **SIDES).split("val")
    with pytest.raises(DataError, match=r"val: 1e-09 of the 2 pictures beside .* leaves none for validation"):
        Single(root=str(tmp_path), val=1e-9, **SIDES).split("val")
