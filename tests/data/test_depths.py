"""Data sets of files that are not 8-bit pictures: the same items, whatever keeps and loads them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

from gankit.codecs.base import Codec, WindowError
from gankit.codecs.image import Image8
from gankit.codecs.npy import Npy
from gankit.codecs.sixteen import Grey16
from gankit.codecs.tiff import Tiff
from gankit.core.errors import DataError
from gankit.data.inpainting import InpaintingFolder
from gankit.data.keeping import Where
from gankit.data.loader import make_loader
from gankit.data.paired import PairedFolder
from gankit.data.placed import Placement
from gankit.data.single import Single
from gankit.data.transforms import Transform
from gankit.data.unpaired import Unpaired
from gankit.fields import Picture

SIZES: dict[str, Any] = {"load_size": 20, "crop_size": 16}
TWELVE = {"low": 0, "high": 4095}


def noise(channels: int, size: tuple[int, int] = (24, 21), seed: int = 0) -> np.ndarray:
    """12-bit values (C, H, W)."""
    return np.random.default_rng(seed).integers(0, 4096, (channels, *size), dtype=np.uint16)


def grey(folder: Path, count: int = 3, size: tuple[int, int] = (24, 21)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        Image.fromarray(noise(1, size, i)[0]).save(folder / f"{i}.png")
    return folder


def five(folder: Path, count: int = 3, size: tuple[int, int] = (24, 21)) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for i in range(count):
        planes = np.moveaxis(noise(5, size, i), 0, -1)
        tifffile.imwrite(folder / f"{i}.tif", planes, photometric="minisblack", planarconfig="contig", metadata=None)
    return folder


def draw(seed: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def test_two_sides_of_two_kinds(tmp_path: Path) -> None:
    grey(tmp_path / "trainA"), grey(tmp_path / "testA"), five(tmp_path / "trainB", 2), five(tmp_path / "testB", 2)
    data = Unpaired(root=str(tmp_path), codec=Grey16(**TWELVE), codec_b=Tiff(**TWELVE), preprocess="none", flip=False)
    assert data.fields == {"a": Picture(1), "b": Picture(5)} and [type(c) for c in data.codecs.values()] == [
        Grey16,
        Tiff,
    ]
    for split in ("train", "test"):
        item = data.split(split).item(0, draw())
        assert item["a"].shape == (1, 24, 20) and item["b"].shape == (5, 24, 20)
        assert item["a"].dtype == item["b"].dtype == torch.float32
        assert item["a"].min() < -0.9 and item["a"].max() > 0.9  # not near black, as of 16 bits
    grey(tmp_path / "even" / "train", 1, (24, 20))
    item = Single(root=str(tmp_path / "even"), codec=Grey16(**TWELVE), preprocess="none", flip=False).item(0, draw())
    assert torch.equal(item["a"], torch.from_numpy((noise(1, (24, 20)) - 2047.5) / 2047.5).float())


@pytest.mark.parametrize("cache", ["none", "ram", "disk", "auto"])
@pytest.mark.parametrize("workers", [0, 2])
@pytest.mark.parametrize("late", [False, True])
def test_neither_cache_nor_workers_nor_the_device_change_a_bit(
    tmp_path: Path, cache: Where, workers: int, late: bool
) -> None:
    five(tmp_path / "train", 4)
    options: dict[str, Any] = {"root": str(tmp_path), "codec": Tiff(**TWELVE), **SIZES}
    data = Single(cache=cache, cache_folder=str(tmp_path / "kept"), **options)
    plain = list(make_loader(Single(cache="none", **options), 2, seed=3))
    for _ in range(2):
        found = list(make_loader(data, 2, seed=3, workers=workers, place_on_device=late))
        assert all(torch.equal(a["a"], b["a"]) for a, b in zip(plain, found, strict=True))
    assert (tmp_path / "kept").exists() == (cache == "disk")


def test_what_is_kept_is_not_handed_out_to_be_written_to(tmp_path: Path) -> None:
    five(tmp_path / "train", 1)
    data = Single(root=str(tmp_path), codec=Tiff(**TWELVE), cache="ram", preprocess="none", flip=False)
    first = data.item(0, draw())["a"].clone()
    data.item(0, draw())["a"].zero_()
    assert torch.equal(data.item(0, draw())["a"], first)


def test_another_window_is_another_entry_on_disk(tmp_path: Path) -> None:
    grey(tmp_path / "train", 1)
    how: dict[str, Any] = {"root": str(tmp_path), "cache": "disk", "cache_folder": str(tmp_path / "kept"), **SIZES}
    means = {high: Single(codec=Grey16(low=0, high=high), **how).item(0, draw())["a"].mean() for high in (4095, 8190)}
    assert means[8190] < -0.4 < means[4095]


@pytest.mark.parametrize("direction", ["a2b", "b2a"])
@pytest.mark.parametrize("cache", ["none", "ram", "disk"])
def test_pairs_of_two_kinds(tmp_path: Path, direction: Any, cache: Where) -> None:
    """Bytes of odd numbers before floats."""
    (tmp_path / "a").mkdir()
    for i in range(2):
        Image.fromarray(np.full((7, 9), 50 * i, np.uint8)).save(tmp_path / "a" / f"{i}.png")
    five(tmp_path / "b", 2, (7, 9))
    options: dict[str, Any] = {"codec_b": Tiff(**TWELVE), "channels_a": 1}
    if direction == "b2a":
        options = {"codec": Tiff(**TWELVE), "codec_b": Image8(), "channels_b": 1}
    options |= {"cache": cache, "cache_folder": str(tmp_path / "kept"), "preprocess": "crop", "crop_size": 7}
    folders = {"a": str(tmp_path / "a"), "b": str(tmp_path / "b")}
    data = PairedFolder(**folders, direction=direction, **options)
    for _ in range(2):
        item = data.item(1, draw(5))
        shallow, five_ = (item["a"], item["b"]) if direction == "a2b" else (item["b"], item["a"])
        assert shallow.shape == (1, 7, 7) and torch.equal(shallow, torch.full((1, 7, 7), 50.0) / 127.5 - 1)
        whole = torch.from_numpy((noise(5, (7, 9), 1) - 2047.5) / 2047.5).float()
        cuts = [whole[..., left : left + 7] for left in range(3)]
        assert any(torch.equal(five_, cut) or torch.equal(five_, cut.flip(-1)) for cut in cuts)


def test_pairs_side_by_side(tmp_path: Path) -> None:
    grey(tmp_path / "train", 1, (8, 16))
    data = PairedFolder(root=str(tmp_path), codec=Grey16(**TWELVE), preprocess="none", flip=False)
    item, whole = data.item(0, draw()), Grey16(**TWELVE).read(tmp_path / "train" / "0.png")
    assert torch.equal(item["a"], whole[..., :8]) and torch.equal(item["b"], whole[..., 8:])
    with pytest.raises(ValueError, match="side by side both pictures are in one file"):
        PairedFolder(root=str(tmp_path), codec=Grey16(**TWELVE), codec_b=Grey16(low=0, high=9))


def test_holes_in_deep_pictures(tmp_path: Path) -> None:
    five(tmp_path / "train", 1)
    item = InpaintingFolder(root=str(tmp_path), codec=Tiff(**TWELVE), **SIZES).item(0, draw())
    assert item["a"].shape == (5, 16, 16) and item["mask"].shape == (1, 16, 16)


@pytest.mark.parametrize(
    ("codec", "options", "words"),
    [
        (Grey16(), {}, r"0.png: its values, uint16, are from 0 to 40\d\d, .*type: grey16, low: 0, high: 4095"),
        (Grey16(**TWELVE), {"channels": 3}, r"0.png has 1 channel, not 3"),
        (Npy(**TWELVE), {}, r"holds no picture; pictures are files ending in .npy"),
    ],
)
def test_what_is_refused_at_the_start(tmp_path: Path, codec: Codec, options: dict[str, Any], words: str) -> None:
    grey(tmp_path / "train")
    with pytest.raises(DataError, match=words) as caught:
        Single(root=str(tmp_path), codec=codec, max_bad=100, **SIZES, **options)
    assert isinstance(caught.value, WindowError) == (codec == Grey16())


def test_channels_that_the_codec_does_not_give(tmp_path: Path) -> None:
    grey(tmp_path / "train")
    with pytest.raises(DataError, match=r"its codec gives 1 or 3 channels, not 5: choose another, such as tiff or npy"):
        Single(root=str(tmp_path), channels=5, **SIZES)


def test_a_folder_of_several_numbers_of_channels(tmp_path: Path) -> None:
    five(tmp_path / "train", 2)
    tifffile.imwrite(tmp_path / "train" / "9.tif", noise(1)[0], metadata=None)
    with pytest.raises(DataError, match=r"9.tif has 1 channel, not 5 as .*0.tif has"):
        Single(root=str(tmp_path), codec=Tiff(**TWELVE), **SIZES)


def test_values_outside_the_window_are_stepped_over_by_name(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    grey(tmp_path / "train", 2)
    Image.fromarray(np.full((24, 21), 5000, np.uint16)).save(tmp_path / "train" / "0.png")
    data = Single(root=str(tmp_path), codec=Grey16(**TWELVE), preprocess="none", flip=False)
    data.item(0, draw())
    assert "0.png: its values 5000 to 5000 are not within the window 0 to 4095" in caplog.text


@pytest.mark.parametrize("size", [(13, 17), (48, 30)])
def test_floats_are_resized_as_pil_resizes_floats(size: tuple[int, int]) -> None:
    picture = torch.from_numpy(noise(1)[0] / 4095).float() - 0.5  # bicubic does not reach beyond [-1, 1]
    resized = Transform("scale_width", size[1], 4).resize(picture[None])[0]
    expected = Image.fromarray(picture.numpy()).resize(
        (resized.shape[1], resized.shape[0]), Image.Resampling.BICUBIC, reducing_gap=None
    )
    assert np.abs(resized.numpy() - np.asarray(expected)).max() < 1e-5


@pytest.mark.parametrize("channels", [1, 2, 5])
def test_any_number_of_channels_is_cropped_and_flipped(channels: int) -> None:
    picture, how = torch.rand(channels, 20, 18) * 2 - 1, Transform("crop", crop_size=8)
    placed = how.at(picture, Placement(3, 5, True))
    assert torch.equal(placed.finish(), picture[:, 3:11, 5:13].flip(-1))
    assert Transform("resize_and_crop", 30, 8).resize(picture).abs().max() <= 1
