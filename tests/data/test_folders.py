"""Unpaired, paired and single folders: what an item holds, and what is refused at the start or stepped over later."""

from __future__ import annotations

import logging
import os
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.codecs.images import read_image, to_model_range
from gankit.core.errors import DataError, GankitError
from gankit.data.keeping import Where
from gankit.data.loader import make_loader
from gankit.data.paired import PairedFolder
from gankit.data.single import Single
from gankit.data.unpaired import Unpaired
from gankit.fields import Picture, Segmentation

SIZES = {"load_size": 20, "crop_size": 16}


def plain(value: int, size: tuple[int, int] = (24, 24)) -> Image.Image:
    return Image.new("RGB", size, (value, value, value))


def fill(folder: Path, values: Sequence[int], size: tuple[int, int] = (24, 24)) -> Path:
    """Pictures of one grey each, named in order."""
    folder.mkdir(parents=True, exist_ok=True)
    for i, value in enumerate(values):
        plain(value, size).save(folder / f"{i:02}.png")
    return folder


def truncate(path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (24, 24, 3), dtype=np.uint8)
    Image.fromarray(noise).save(path)
    path.write_bytes(path.read_bytes()[:700])


def value(picture: torch.Tensor) -> int:
    """The grey of a plain picture, 0..255."""
    assert picture.min() == picture.max()
    return round((picture.mean().item() + 1) * 127.5)


def draw(seed: int) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


@pytest.fixture
def domains(tmp_path: Path) -> Path:
    for folder, values in (
        ("trainA", [1, 2, 3]),
        ("trainB", [11, 12, 13, 14, 15]),
        ("testA", [21]),
        ("testB", [31, 32]),
    ):
        fill(tmp_path / folder, values)
    return tmp_path


def test_unpaired(domains: Path):
    data = Unpaired(root=str(domains), **SIZES)
    assert len(data) == 5 and data.fields == {"a": Picture(3), "b": Picture(3)} and data.size == 16
    items = [data.item(4, draw(seed)) for seed in range(60)]
    assert all(item["a"].shape == item["b"].shape == (3, 16, 16) for item in items)
    assert {value(item["a"]) for item in items} == {2}  # A starts again
    assert {value(item["b"]) for item in items} == {11, 12, 13, 14, 15}  # B is random
    assert value(Unpaired(root=str(domains), serial=True, **SIZES).item(4, draw(0))["b"]) == 15


def test_named_folders_need_no_root_and_those_of_the_layout_do(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(tmp_path)
    for name, values in (("cats", [1]), ("dogs", [2, 3]), ("trainB", [4]), ("below/cats", [5, 6])):
        fill(tmp_path / name, values)
    assert len(Unpaired(root="datasets/none", a="cats", b="dogs", **SIZES)) == 2
    assert len(Unpaired(root="", a="cats", b="dogs", **SIZES)) == 2
    data = Unpaired(root="below", a="cats", b="dogs", **SIZES)
    assert value(data.item(0, draw(0))["a"]) == 5  # what is below the root is taken first
    with pytest.raises(DataError, match="datasets/none/trainB does not exist"):
        Unpaired(root="datasets/none", a="cats", **SIZES)
    with pytest.raises(DataError, match="datasets/none/lions does not exist"):
        Unpaired(root="datasets/none", a="lions", b="dogs", **SIZES)


def test_unpaired_places_both_pictures_on_their_own(tmp_path: Path):
    ramp = Image.fromarray(np.tile(np.arange(24, dtype=np.uint8) * 10, (24, 1)))
    for name in ("a", "b"):
        (tmp_path / name).mkdir()
        ramp.save(tmp_path / name / "x.png")
    data = Unpaired(a=str(tmp_path / "a"), b=str(tmp_path / "b"), preprocess="crop", crop_size=16, channels_b=1)
    items = [data.item(0, draw(seed)) for seed in range(30)]
    assert data.item(0, draw(0))["b"].shape == (1, 16, 16)
    assert any(not torch.equal(item["a"][:1], item["b"]) for item in items)
    assert len({(item["a"][0, 0, 0] < item["a"][0, 0, 1]).item() for item in items}) == 2


def test_the_test_split_is_never_random(domains: Path):
    test = Unpaired(root=str(domains), **SIZES).split("test")
    assert len(test) == 2
    assert [(value(i["a"]), value(i["b"])) for i in (test.item(n, draw(n)) for n in (0, 1))] == [(21, 31), (21, 32)]
    assert test.split("train").item(4, draw(0))["a"].shape == (3, 16, 16)


@pytest.mark.parametrize("cache", ["none", "ram", "disk", "auto"])
def test_the_cache_changes_nothing(domains: Path, tmp_path: Path, cache: Where):
    data = Unpaired(root=str(domains), cache=cache, cache_folder=str(tmp_path / "kept"), **SIZES)
    expected = [value(data.item(i, draw(i))["b"]) for i in range(5)]
    assert (tmp_path / "kept").exists() == (cache == "disk")
    if cache in ("ram", "disk"):
        for path in domains.rglob("*.png"):
            path.unlink()  # what was decoded is kept
        fresh = [data.item(i, draw(i)) for i in range(5)]
        assert [value(item["b"]) for item in fresh] == expected


def test_what_is_refused_at_the_start(domains: Path, tmp_path: Path):
    fill(domains / "small", [1], size=(24, 12))
    (domains / "empty").mkdir()
    (domains / "broken").mkdir()
    (domains / "broken" / "x.png").write_text("no picture")
    root = str(domains)
    for options, words in (
        ({"root": f"{root}/nowhere"}, r"nowhere/trainA does not exist"),
        ({"root": root, "b": "empty", "crop_size": 16}, r"empty holds no picture; pictures are files ending in"),
        ({"root": root, "b": "broken", "crop_size": 16}, r"none of the 1 pictures beside .*x.png can be read"),
        (
            {"root": root, "b": "small", "preprocess": "crop", "crop_size": 16},
            r"1 of 1 pictures are smaller than crop_size 16: the first is .*00.png \(24 x 12 px\); lower crop_size",
        ),
    ):
        with pytest.raises(DataError, match=words):
            Unpaired(**options)
    with pytest.raises(ValueError, match="load_size 100 is smaller than crop_size 256"):
        Unpaired(root=root, load_size=100)
    with pytest.raises(DataError, match="lower crop_size, remove them, or set enlarge: true"):
        Unpaired(root=root, b="small", **SIZES)  # large enough only once it is resized
    Unpaired(root=root, b="small", enlarge=True, **SIZES)
    with pytest.raises(DataError, match="testB"):
        Unpaired(root=root, test_b="testB_of_another", **SIZES).split("test")


def test_broken_pictures_are_named_once_and_stepped_over(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    fill(tmp_path / "train", range(6))
    truncate(tmp_path / "train" / "05.png")
    truncate(tmp_path / "train" / "02.png")
    data = Single(root=str(tmp_path), max_bad=2, flip=False, **SIZES)
    assert [value(data.item(i, draw(0))["a"]) for i in (5, 2, 5, 2, 1)] == [0, 3, 0, 3, 1]
    named = [record.message for record in caplog.records]
    assert [sum(name in message for message in named) for name in ("02.png", "05.png", "01.png")] == [1, 1, 0]


def test_too_many_broken_pictures_stop_the_run(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    fill(tmp_path / "train", range(8))
    (tmp_path / "train" / "00.png").write_text("broken from its header on")
    for name in ("03.png", "04.png"):
        truncate(tmp_path / "train" / name)
    assert len(Single(root=str(tmp_path), max_bad=1, **SIZES)) == 7
    with pytest.raises(DataError, match=r"1 pictures cannot be read, more than max_bad = 0: .*00.png; repair"):
        Single(root=str(tmp_path), max_bad=0, **SIZES)
    assert len(list(make_loader(Single(root=str(tmp_path), max_bad=3, **SIZES), 1))) == 7
    for workers in (0, 2):  # the workers share the count
        with pytest.raises(DataError, match=r"3 pictures cannot be read, more than max_bad = 2: .*repair or remove"):
            list(make_loader(Single(root=str(tmp_path), max_bad=2, **SIZES), 1, workers=workers))


def test_all_pictures_broken(tmp_path: Path):
    fill(tmp_path / "train", range(2))
    for path in (tmp_path / "train").iterdir():
        truncate(path)
    with pytest.raises(DataError, match="none of the 2 pictures can be read"):
        Single(root=str(tmp_path), **SIZES).item(1, draw(0))


def test_a_huge_picture_among_others_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    fill(tmp_path / "train", [7])
    header = b"\x00\x00\x00\x0dIHDR\x00\x00\xc3\x50\x00\x00\xc3\x50\x08\x02\x00\x00\x00\x83\xc1\xac\xb1"
    (tmp_path / "train" / "bomb.png").write_bytes(b"\x89PNG\r\n\x1a\n" + header)
    with caplog.at_level(logging.WARNING):
        assert value(Single(root=str(tmp_path), **SIZES).item(0, draw(0))["a"]) == 7
    assert "bomb.png: " in caplog.text


def test_pictures_of_two_sizes_do_not_stack(tmp_path: Path):
    fill(tmp_path / "train", [1], size=(24, 24))
    plain(2, (32, 24)).save(tmp_path / "train" / "wide.png")
    data = Single(root=str(tmp_path), preprocess="none")
    assert [len(batch["a"]) for batch in make_loader(data, 1)] == [1, 1]
    with pytest.raises(DataError, match=r"several sizes in a \(24 x 24, 32 x 24\).*batch_size 1"):
        list(make_loader(data, 2))


def ramps(width: int = 24) -> tuple[np.ndarray, np.ndarray]:
    """Two pictures whose values tell the place: columns in one, rows and columns in the other."""
    columns = np.tile(np.arange(width, dtype=np.uint8) * 5, (24, 1))
    rows = np.tile(np.arange(24, dtype=np.uint8)[:, None] * 5, (1, width))
    return np.dstack([columns, rows, rows]), np.dstack([columns, rows, columns])


@pytest.mark.parametrize("layout", ["side by side", "odd", "two folders"])
@pytest.mark.parametrize("cache", ["none", "ram", "disk"])
def test_a_pair_has_one_crop_and_one_flip(tmp_path: Path, layout: str, cache: Where):
    a, b = ramps()
    options: dict = {"root": str(tmp_path), "preprocess": "crop", "crop_size": 16}
    options |= {"cache": cache, "cache_folder": str(tmp_path / "kept")}
    if layout == "two folders":
        for name, picture in (("x/p.png", a), ("y/p.bmp", b)):
            (tmp_path / name).parent.mkdir()
            Image.fromarray(picture).save(tmp_path / name)
        options |= {"a": "x", "b": "y"}
    else:
        (tmp_path / "train").mkdir()
        extra = [b[:, :1]] if layout == "odd" else []
        Image.fromarray(np.hstack([a, b, *extra])).save(tmp_path / "train" / "p.png")
    data, back = PairedFolder(**options), PairedFolder(direction="b2a", **options)
    seen = set()
    for seed in range(40):
        item, swapped = data.item(0, draw(seed)), back.item(0, draw(seed))
        assert torch.equal(item["a"][:2], item["b"][:2])  # columns and rows: the same place in both
        assert torch.equal(item["a"][1], item["a"][2]) and torch.equal(item["b"][0], item["b"][2])
        assert torch.equal(item["a"], swapped["b"]) and torch.equal(item["b"], swapped["a"])
        seen.add((item["a"][0, 0, 0].item(), item["a"][1, 0, 0].item()))
    assert len(seen) > 20


def test_an_odd_width_of_two_pictures_side_by_side_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    fill(tmp_path / "train", [1], size=(49, 24))
    PairedFolder(root=str(tmp_path), preprocess="none", flip=False)
    assert "1 of 1 pictures side by side have an odd width: their last column is left out" in caplog.text


def test_the_first_pictures_of_each_folder(domains: Path, tmp_path: Path):
    data = Unpaired(root=str(domains), limit=2, **SIZES)
    assert data.counts == {"a": 2, "b": min(2, Unpaired(root=str(domains), **SIZES).counts["b"])}
    fill(tmp_path / "train", [1, 2, 3], size=(48, 24))
    assert len(PairedFolder(root=str(tmp_path), limit=2, **SIZES)) == 2


def test_training_pictures_are_whole_and_never_random_when_measured(domains: Path):
    data = Unpaired(root=str(domains), **SIZES).measured("train")
    items = [data.item(0, draw(seed)) for seed in range(4)]
    assert len(data) == len(Unpaired(root=str(domains), **SIZES)) and data.measured("train") is data
    assert all(torch.equal(item["a"], items[0]["a"]) and torch.equal(item["b"], items[0]["b"]) for item in items)


def test_a_pair_of_different_channels(tmp_path: Path):
    a, b = ramps()
    (tmp_path / "train").mkdir()
    Image.fromarray(np.hstack([a, b])).save(tmp_path / "train" / "p.png")
    data = PairedFolder(root=str(tmp_path), preprocess="none", flip=False, direction="b2a", channels_a=1)
    item = data.item(0, draw(0))
    assert item["a"].shape == (1, 24, 24)  # the right half is the source now
    assert torch.equal(item["b"], to_model_range(torch.from_numpy(a).permute(2, 0, 1)))


def test_where_test_pairs_are_looked_for(tmp_path: Path):
    fill(tmp_path / "train", [1], size=(48, 24))
    data = PairedFolder(root=str(tmp_path), **SIZES)
    with pytest.raises(DataError, match="test does not exist"):
        data.split("test")
    fill(tmp_path / "val", [2, 3], size=(48, 24))
    assert len(data.split("test")) == 2
    fill(tmp_path / "test", [4, 5, 6], size=(48, 24))
    assert len(data.split("test")) == 3
    assert value(data.split("test").item(1, draw(0))["b"]) == 5
    fill(tmp_path / "x", [1])
    with pytest.raises(DataError, match="test_a and test_b"):
        PairedFolder(root=str(tmp_path), a="x", b="x", **SIZES).split("test")
    assert len(PairedFolder(root=str(tmp_path), a="x", b="x", test_a="x", test_b="x", **SIZES).split("test")) == 1


def test_two_folders_that_do_not_match(tmp_path: Path):
    a, b = fill(tmp_path / "x", [1, 2]), fill(tmp_path / "y", [1])
    with pytest.raises(DataError, match=r"1 pictures have no partner: the first is 01 in .*x, which .*y lacks"):
        PairedFolder(a=str(a), b=str(b))
    plain(2, (30, 24)).save(b / "01.png")
    with pytest.raises(DataError, match=r"01.png and .*01.png are a pair of two sizes.*resize_and_crop"):
        PairedFolder(a=str(a), b=str(b), preprocess="crop", crop_size=16)
    assert len(PairedFolder(a=str(a), b=str(b), **SIZES)) == 2
    plain(2).save(b / "01.bmp")
    with pytest.raises(DataError, match=r"01.bmp and .*01.png have the same name"):
        PairedFolder(a=str(a), b=str(b))
    with pytest.raises(ValueError, match="name both folders"):
        PairedFolder(a=str(a))


def test_a_broken_half_takes_its_pair_away(tmp_path: Path, caplog: pytest.LogCaptureFixture):
    a, b = fill(tmp_path / "x", [1, 2, 3]), fill(tmp_path / "y", [11, 12, 13])
    truncate(b / "00.png")
    (a / "01.png").write_text("broken")
    data = PairedFolder(a=str(a), b=str(b), max_bad=2, **SIZES)
    assert len(data) == 2
    for index in (0, 1):
        item = data.item(index, draw(0))
        assert (value(item["a"]), value(item["b"])) == (3, 13)
    with pytest.raises(DataError, match="2 pictures cannot be read, more than max_bad = 1"):
        PairedFolder(a=str(a), b=str(b), max_bad=1, **SIZES).item(0, draw(0))


@pytest.mark.parametrize("workers", [0, 2])
def test_pictures_kept_on_disk_are_read_by_later_runs(
    tmp_path: Path, workers: int, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    fill(tmp_path / "train", range(6))
    truncate(tmp_path / "train" / "05.png")
    options: dict = {"root": str(tmp_path), "cache": "disk", "cache_folder": str(tmp_path / "kept"), **SIZES}
    first = list(make_loader(Single(**options), 2, workers=workers))
    assert len([file for file in (tmp_path / "kept").rglob("*") if file.is_file()]) == 5  # not the broken one
    read: list[Path] = []
    monkeypatch.setattr("gankit.codecs.image.read_image", lambda path, *_: read.append(path) or read_image(path))
    second = list(make_loader(Single(**options), 2))
    assert all(torch.equal(a["a"], b["a"]) for a, b in zip(first, second, strict=True))
    assert {path.name for path in read} == {"05.png"}
    list(make_loader(Single(**{**options, "load_size": 21}), 2))
    assert {path.name for path in read} > {"00.png", "04.png"}  # of another size nothing was kept


@pytest.mark.parametrize("cache", ["none", "disk"])
def test_a_picture_that_is_gone_is_stepped_over(tmp_path: Path, cache: Where, caplog: pytest.LogCaptureFixture):
    fill(tmp_path / "train", [1, 2])
    data = Single(root=str(tmp_path), cache=cache, cache_folder=str(tmp_path / "kept"), **SIZES)
    (tmp_path / "train" / "00.png").unlink()
    assert value(data.item(0, draw(0))["a"]) == 2
    assert "00.png: no such file" in caplog.text


def test_a_changed_picture_is_decoded_anew(tmp_path: Path):
    fill(tmp_path / "train", [1, 2])
    options: dict = {"root": str(tmp_path), "cache": "disk", "cache_folder": str(tmp_path / "kept"), **SIZES}
    assert value(Single(**options).item(0, draw(0))["a"]) == 1
    path = tmp_path / "train" / "00.png"
    written = path.stat().st_mtime_ns
    plain(7).save(path)
    os.utime(path, ns=(written + 1, written + 1))
    assert value(Single(**options).item(0, draw(0))["a"]) == 7


@pytest.mark.parametrize("workers", [0, 2])
def test_a_disk_that_takes_no_more_is_no_broken_picture(tmp_path: Path, workers: int):
    fill(tmp_path / "train", range(4))
    (tmp_path / "kept").write_text("no folder")
    data = Single(root=str(tmp_path), cache="disk", cache_folder=str(tmp_path / "kept"), **SIZES)
    with pytest.raises(GankitError, match=r"kept: a decoded picture cannot be kept there: .*cache_folder") as caught:
        list(make_loader(data, 1, workers=workers))
    assert caught.value.exit_code == 1


def test_test_pictures_are_exact_and_not_kept(tmp_path: Path):
    ramp = Image.fromarray(np.random.default_rng(0).integers(0, 256, (61, 47, 3), dtype=np.uint8))
    for split in ("train", "test"):
        (tmp_path / split).mkdir()
        ramp.save(tmp_path / split / "x.png")
    data = Single(root=str(tmp_path), cache="disk", cache_folder=str(tmp_path / "kept"), load_size=16, crop_size=16)
    expected = np.asarray(ramp.resize((16, 16), Image.Resampling.BICUBIC))
    item = data.split("test").item(0, draw(0))["a"]
    assert torch.equal(item, to_model_range(torch.from_numpy(expected.copy()).permute(2, 0, 1)))
    assert not (tmp_path / "kept").exists()


def test_pictures_are_resized_as_the_recipe_says_in_every_split_and_from_the_cache(tmp_path: Path):
    noise = np.random.default_rng(0).integers(0, 256, (40, 40, 3), dtype=np.uint8)
    for folder in ("train", "test", "pairs"):
        (tmp_path / folder).mkdir()
        Image.fromarray(np.hstack([noise, noise]) if folder == "pairs" else noise).save(tmp_path / folder / "x.png")
    kept: dict = {"cache": "disk", "cache_folder": str(tmp_path / "kept"), "exact": True, "flip": False}
    options: dict = {"root": str(tmp_path), "load_size": 16, "crop_size": 16, **kept}
    for way in ("bicubic", "bilinear", "bicubic"):  # what one kept is not taken for the other's
        resized = Image.fromarray(noise).resize((16, 16), Image.Resampling[way.upper()])
        expected = to_model_range(torch.from_numpy(np.array(resized)).permute(2, 0, 1))
        single = Single(interpolation=way, **options)
        for data in (single, single.split("test"), PairedFolder(train="pairs", interpolation=way, **options)):
            assert torch.equal(data.item(0, draw(0))["a"], expected)


# -- segmentation maps ----------------------------------------------------------------------------------------------
def write_map(path: Path, classes: np.ndarray) -> None:
    """An indexed file, whose palette has nothing to do with the classes."""
    path.parent.mkdir(exist_ok=True)
    image = Image.fromarray(classes.astype(np.uint8), "P")
    image.putpalette([7, 7, 7] * 256)
    image.save(path)


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """Maps in blocks of 5 px, and pictures whose grey is 40 times the class."""
    rng = np.random.default_rng(0)
    for split in ("train", "test"):
        for i in range(3):
            classes = rng.integers(0, 5, (6, 6)).repeat(5, 0).repeat(5, 1)
            write_map(tmp_path / f"{split}_maps" / f"{i}.png", classes)
            (tmp_path / f"{split}_photos").mkdir(exist_ok=True)
            Image.fromarray((40 * classes).astype(np.uint8)).save(tmp_path / f"{split}_photos" / f"{i}.png")
    return tmp_path


def open_mapped(root: Path, **options) -> PairedFolder:
    folders = {"a": "train_maps", "b": "train_photos", "test_a": "test_maps", "test_b": "test_photos"}
    return PairedFolder(
        root=str(root), **folders, classes_a=5, channels_b=1, preprocess="crop", crop_size=16, **options
    )


@pytest.mark.parametrize("place_on_device", [False, True])
@pytest.mark.parametrize("cache", ["none", "ram"])
def test_a_map_is_cut_and_flipped_as_its_picture_is(mapped: Path, cache: Where, place_on_device: bool) -> None:
    data = open_mapped(mapped, cache=cache)
    assert data.fields == {"a": Segmentation(5, of="b"), "b": Picture(1)}
    for batch in make_loader(data, 3, place_on_device=place_on_device):
        assert batch["a"].shape == (3, 5, 16, 16) and batch["a"].sum(1).eq(1).all()
        grey = (batch["b"] + 1) * 127.5
        assert torch.allclose(batch["a"].argmax(1, keepdim=True) * 40.0, grey)
    item = data.item(0, torch.Generator().manual_seed(0))
    assert data.fields["a"].fault(item["a"]) is None


def test_a_map_is_resized_without_mixing_its_classes(mapped: Path) -> None:
    data = PairedFolder(root=str(mapped), a="train_maps", b="train_photos", classes_a=5, load_size=17, crop_size=17)
    assert data.item(0, torch.Generator())["a"].unique().tolist() == [0, 1]
    assert data.item(0, torch.Generator())["a"].sum(0).eq(1).all()


def test_what_is_no_map_is_refused(mapped: Path) -> None:
    write_map(mapped / "train_maps" / "1.png", np.full((30, 30), 5))
    with pytest.raises(DataError, match=r"max_bad = 0: .*1\.png"):
        list(make_loader(open_mapped(mapped, max_bad=0), 1))
    with pytest.raises(DataError, match=r"it holds the value 5; the values of a map of 5 classes are 0 to 4, and 255"):
        open_mapped(mapped)._make(1)
    Image.new("RGB", (30, 30)).save(mapped / "train_maps" / "1.png")
    with pytest.raises(DataError, match=r"1\.png: a segmentation map has the class of a pixel as its grey value or"):
        open_mapped(mapped)._make(1)
