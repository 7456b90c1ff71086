"""Pictures with holes: masks that are drawn, and masks of a folder."""

from __future__ import annotations

import itertools
import os
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.core.errors import DataError
from gankit.data.inpainting import InpaintingFolder
from gankit.data.inpainting_masks import count_within, draw_hole
from gankit.data.loader import make_loader
from gankit.fields import Mask, Picture
from tests.data.test_folders import SIZES, draw, fill, truncate, value

REAL = Path(os.environ.get("GANKIT_REAL_PICTURES", ""))
needs_data = pytest.mark.skipif(
    not (REAL / "places_landscapes").is_dir(), reason="GANKIT_REAL_PICTURES names no folder with real photographs"
)


@pytest.mark.parametrize("drawing", ["strokes", "noise"])
def test_drawn_holes_take_the_share_that_was_asked_for(drawing):
    for seed, share in itertools.product(range(4), ((0.01, 0.02), (0.3, 0.4), (0.85, 0.9))):
        hole = draw_hole(33, 47, share, draw(seed), drawing)
        assert hole.shape == (1, 33, 47) and set(hole.unique().tolist()) == {0.0, 1.0}
        assert share[0] <= hole.mean().item() <= share[1]
        assert torch.equal(hole, draw_hole(33, 47, share, draw(seed), drawing))
    assert not torch.equal(hole, draw_hole(33, 47, share, draw(9), drawing))


def test_a_share_that_no_number_of_pixels_meets():
    assert count_within(10, 10, (0.3, 0.4)) == (30, 40)
    assert count_within(4, 4, (0.25, 0.25)) == (4, 4)
    with pytest.raises(ValueError, match=r"no hole in 4 x 4 px takes a share from 0\.3 to 0\.31 of them"):
        draw_hole(4, 4, (0.3, 0.31), draw(0))
    with pytest.raises(ValueError, match=r"a share from 0\.4 to 0\.3"):
        InpaintingFolder(hole_min=0.4, hole_max=0.3)


@pytest.fixture
def root(tmp_path: Path) -> Path:
    fill(tmp_path / "train", range(4))
    fill(tmp_path / "test", [21, 22, 23])
    for i in range(2):  # i + 1 rows of holes at the top
        mask = np.zeros((32, 32), dtype=bool)
        mask[: 8 * (i + 1)] = True
        (tmp_path / "masks").mkdir(exist_ok=True)
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i:02}.png")
    return tmp_path


def test_drawn_masks(root: Path):
    data = InpaintingFolder(root=str(root), hole_min=0.3, hole_max=0.4, **SIZES)
    assert len(data) == 4 and data.fields == {"a": Picture(3), "mask": Mask(of="a")} and data.size == 16
    holes = [data.item(1, draw(seed))["mask"] for seed in range(5)]
    assert all(0.3 <= hole.mean() <= 0.4 for hole in holes) and not torch.equal(holes[0], holes[1])
    test = data.split("test")
    first = [test.item(i, draw(i))["mask"] for i in range(3)]
    again = [test.item(i, draw(99))["mask"] for i in range(3)]
    assert all(map(torch.equal, first, again)) and not torch.equal(first[0], first[1])
    other = InpaintingFolder(root=str(root), hole_min=0.3, hole_max=0.4, seed=1, **SIZES).split("test")
    assert not torch.equal(other.item(0, draw(0))["mask"], first[0])


def test_masks_of_a_folder(root: Path):
    data = InpaintingFolder(root=str(root), masks="masks", **SIZES)
    shares = {round(data.item(0, draw(seed))["mask"].mean().item(), 3) for seed in range(12)}
    assert shares == {0.25, 0.5}
    tops = {tuple(data.item(0, draw(seed))["mask"][0, :, 0].tolist()) for seed in range(40)}
    assert len(tops) == 4  # two masks, each upright and upside down
    test = data.split("test")
    assert [test.item(i, draw(i))["mask"].mean().item() for i in range(3)] == [0.25, 0.5, 0.25]
    assert all(test.item(0, draw(0))["mask"][0, :4].flatten() == 1)
    assert [value(test.item(i, draw(i))["a"]) for i in range(3)] == [21, 22, 23]
    drawn = InpaintingFolder(root=str(root), masks="masks", test_masks="drawn", hole_min=0.6, hole_max=0.7, **SIZES)
    assert drawn.split("test").item(0, draw(0))["mask"].mean() >= 0.6
    batch = next(iter(make_loader(data, 2)))
    assert batch["a"].shape == (2, 3, 16, 16) and batch["mask"].shape == (2, 1, 16, 16)


@pytest.mark.parametrize("cache", [False, True])
def test_grey_masks_are_cut_at_half_and_not_smoothed(root: Path, cache: bool):
    ramp = np.tile(np.arange(0, 256, 8, dtype=np.uint8), (32, 1))
    (root / "ramp").mkdir()
    Image.fromarray(ramp).save(root / "ramp" / "ramp.png")
    test = InpaintingFolder(root=str(root), masks="ramp", cache=cache, **SIZES).split("test")
    assert test.item(0, draw(0))["mask"][0, 0].tolist() == [0.0] * 8 + [1.0] * 8


def test_dim_masks_are_told_and_flat_ones_stepped_over(root: Path, caplog: pytest.LogCaptureFixture):
    dim = np.zeros((32, 32), dtype=np.uint8)
    dim[:8] = 1
    (root / "dim").mkdir()
    for name, pixels in (("0.png", dim), ("1.png", dim * 0), ("2.png", dim + 254)):
        Image.fromarray(pixels).save(root / "dim" / name)
    data = InpaintingFolder(root=str(root), masks="dim", **SIZES)
    assert [record.getMessage() for record in caplog.records] == [
        f"{root / 'dim' / '0.png'}: its greys are 0 to 1 of 255: the mask is taken to be the brighter ones"
    ]
    assert {data.item(0, draw(seed))["mask"].mean().item() for seed in range(12)} == {0.25}
    assert "1.png: a mask is white inside and black outside, and this one has one grey, 0" in caplog.text
    Image.fromarray(dim * 0).save(root / "dim" / "0.png")
    with pytest.raises(DataError, match=r"more than max_bad = 0: .*0\.png"):
        InpaintingFolder(root=str(root), masks="dim", max_bad=0, **SIZES)


def test_pictures_of_any_size(root: Path):
    fill(root / "wide", [1], size=(40, 24))
    data = InpaintingFolder(root=str(root), train="wide", masks="masks", preprocess="none")
    assert data.item(0, draw(0))["mask"].shape == (1, 24, 40)


def test_broken_masks(root: Path, caplog: pytest.LogCaptureFixture):
    truncate(root / "masks" / "02.png")
    data = InpaintingFolder(root=str(root), masks="masks", max_bad=1, **SIZES)
    for seed in range(12):
        data.item(0, draw(seed))
    assert sum("02.png" in record.message for record in caplog.records) == 1
    strict = InpaintingFolder(root=str(root), masks="masks", max_bad=0, **SIZES)
    with pytest.raises(DataError, match=r"more than max_bad = 0: .*02.png"):
        for seed in range(12):
            strict.item(0, draw(seed))
    (root / "empty").mkdir()
    for folder, words in (("empty", "empty holds no picture"), ("nowhere", "nowhere does not exist")):
        with pytest.raises(DataError, match=words):
            InpaintingFolder(root=str(root), masks=folder, **SIZES)
    with pytest.raises(DataError, match="elsewhere does not exist"):
        InpaintingFolder(root=str(root), masks="masks", test_masks="elsewhere", **SIZES).split("test")


@needs_data
def test_landscapes_with_irregular_masks():
    masks = str(REAL / "masks" / "irregular_30_40")
    data = InpaintingFolder(root=str(REAL / "places_landscapes"), masks=masks, load_size=143, crop_size=128)
    assert len(data) == 150 and len(data.split("test")) == 50
    shares = [data.split("test").item(i, draw(i))["mask"].mean().item() for i in range(10)]
    assert min(shares) > 0.28 and max(shares) < 0.42
