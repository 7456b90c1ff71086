"""Pairs side by side and single pictures are told apart, and the layouts of two folders that `paired` finds."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.codecs.image import Image8
from gankit.core.errors import DataError
from gankit.data.paired import PairedFolder
from gankit.data.seams import seam
from gankit.data.unpaired import Unpaired

SIZES = {"load_size": 36, "crop_size": 32}


def scene(seed: int, width: int = 40) -> np.ndarray:
    """(40, width, 3) uint8: smooth blotches, as a photo has."""
    rng = np.random.default_rng(seed)
    grid = Image.fromarray(rng.integers(0, 256, (5, 5, 3), dtype=np.uint8))
    return np.array(grid.resize((width, 40), Image.Resampling.BICUBIC))


def save(folder: Path, pictures: Sequence[np.ndarray]) -> Path:
    folder.mkdir(parents=True)
    for i, picture in enumerate(pictures):
        Image.fromarray(picture).save(folder / f"{i}.png")
    return folder


def pairs(count: int = 4) -> list[np.ndarray]:
    return [np.hstack([scene(i), 255 - scene(i)]) for i in range(count)]


def wide(count: int = 4) -> list[np.ndarray]:
    return [scene(i, 80) for i in range(count)]


def as_tensor(picture: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(picture).permute(2, 0, 1) / 127.5 - 1


@pytest.mark.parametrize("seed", range(20))
def test_a_seam_is_seen_between_two_pictures_and_not_inside_of_one(seed: int) -> None:
    joined, single = (seam(as_tensor(x)) for x in (np.hstack([scene(seed), scene(seed + 100)]), scene(seed, 80)))
    assert single is not None and single < 2
    assert joined is not None and joined > 2


def test_nothing_is_told_of_flat_or_tiny_pictures() -> None:
    assert seam(torch.zeros(3, 40, 80)) is None
    assert seam(torch.rand(3, 8, 4)) is None


def test_paired_warns_of_single_pictures(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "good" / "train", pairs())
    PairedFolder(root=str(tmp_path / "good"), **SIZES)
    assert not caplog.records
    save(tmp_path / "square" / "train", [scene(i, 64) for i in (1, 2)])
    PairedFolder(root=str(tmp_path / "square"), **SIZES)
    assert "2 of 2 pictures are not twice as wide as high" in caplog.text
    save(tmp_path / "wide" / "train", wide())
    PairedFolder(root=str(tmp_path / "wide"), **SIZES)
    assert "go on across their middle" in caplog.text
    assert all(record.levelno == logging.WARNING for record in caplog.records)


def test_a_folder_is_decoded_once_to_be_judged(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for split in ("train", "test"):
        save(tmp_path / split, pairs())
    read: list[Path] = []
    decode = Image8.read
    monkeypatch.setattr(Image8, "read", lambda codec, path, *how: (read.append(path), decode(codec, path, *how))[1])
    data = PairedFolder(root=str(tmp_path), **SIZES)
    for split in ("test", "train", "test"):
        data = data.split(split)
    data.measured("train")
    assert len(read) == len(set(read)) == 8
    Image.fromarray(wide(1)[0]).save(tmp_path / "test" / "0.png")
    data.measured("train").split("test")
    assert read[8:] == [tmp_path / "test" / "0.png"]  # which has changed


def test_the_layout_of_unpaired_folders_is_named(tmp_path: Path) -> None:
    for split in ("train", "test"):
        for side in "AB":
            save(tmp_path / f"{split}{side}", [scene(1)])
    with pytest.raises(DataError, match=r"train does not exist; .* say data.a: trainA and data.b: trainB$"):
        PairedFolder(root=str(tmp_path), **SIZES)
    named = PairedFolder(root=str(tmp_path), a="trainA", b="trainB", **SIZES)
    assert len(named) == 1
    with pytest.raises(DataError, match=r"name their folders in test_a and test_b"):
        named.split("test")


def test_unpaired_warns_of_pairs(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    save(tmp_path / "trainA", wide())
    save(tmp_path / "trainB", pairs())
    Unpaired(root=str(tmp_path), **SIZES)
    (told,) = caplog.messages
    assert "trainB look like pairs side by side" in told and "data.type: paired" in told


@pytest.mark.parametrize("layout", ["{split}/{side}", "{side}/{split}"])
@pytest.mark.parametrize("sides", ["AB", "ab"])
def test_two_folders_called_a_and_b(tmp_path: Path, layout: str, sides: str) -> None:
    for split, count in (("train", 3), ("val", 2)):
        for k, side in enumerate(sides):
            shades = [np.full((40, 40, 3), 100 * k + i, np.uint8) for i in range(count)]
            save(tmp_path / layout.format(split=split, side=side), shades)
    data = PairedFolder(root=str(tmp_path), **SIZES)
    assert [len(data), len(data.split("val")), len(data.split("test"))] == [
        3,
        2,
        2,
    ]  # without `test` its pairs are `val`
    item = data.split("test").item(1, torch.Generator())
    levels = {name: round(float(x.mean() + 1) * 127.5) for name, x in item.items()}
    assert levels == {"a": 1, "b": 101}


def test_one_of_two_folders_alone_or_pictures_beside_them(tmp_path: Path) -> None:
    save(tmp_path / "train" / "A", [scene(1)])
    with pytest.raises(DataError, match="none for the other side, B"):
        PairedFolder(root=str(tmp_path), **SIZES)
    save(tmp_path / "train" / "B", [scene(2)])
    Image.fromarray(scene(3)).save(tmp_path / "train" / "z.png")
    with pytest.raises(DataError, match=r"z\.png, beside the folders A and B"):
        PairedFolder(root=str(tmp_path), **SIZES)
