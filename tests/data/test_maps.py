"""Segmentation maps beside unpaired pictures: cut and flipped with them, and refused in words."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.codecs.image import Image8
from gankit.codecs.npy import Npy
from gankit.core.errors import DataError
from gankit.data.keeping import Where
from gankit.data.loader import make_loader
from gankit.data.unpaired import Unpaired
from gankit.fields import Picture, Segmentation

SIZE = 30
CROP = {"preprocess": "crop", "crop_size": 16, "channels_a": 1, "channels_b": 1}


def write_map(path: Path, classes: np.ndarray) -> None:
    """An indexed file, whose palette has nothing to do with the classes."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = Image.fromarray(classes.astype(np.uint8), "P")
    image.putpalette([7, 7, 7] * 256)
    image.save(path)


def write_both(folder: Path, name: str, classes: np.ndarray, maps: str = "") -> None:
    """A map, and a picture whose grey is 40 times the class."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).parent.mkdir(exist_ok=True)
    Image.fromarray((40 * classes).astype(np.uint8)).save(folder / f"{name}.png")
    write_map((folder.with_name(maps) if maps else folder.with_name(f"{folder.name}_maps")) / f"{name}.bmp", classes)


@pytest.fixture
def mapped(tmp_path: Path) -> Path:
    """Pictures on both sides, whose maps have another ending; those of B's test have none."""
    rng = np.random.default_rng(0)
    for split, names in (("train", ("0", "below/1", "2")), ("val", ("3",)), ("test", ("4", "5"))):
        for side, classes in (("A", 5), ("B", 4)):
            for name in names:
                write_both(
                    tmp_path / f"{split}{side}", name, rng.integers(0, classes, (6, 6)).repeat(5, 0).repeat(5, 1)
                )
    for path in (tmp_path / "testB_maps").iterdir():
        path.unlink()
    (tmp_path / "testB_maps").rmdir()
    return tmp_path


def opened(root: Path, **options) -> Unpaired:
    return Unpaired(root=str(root), **{"classes_a": 5, "classes_b": 4, **CROP, **options})


@pytest.mark.parametrize("place_on_device", [False, True])
@pytest.mark.parametrize("cache", ["none", "ram", "disk"])
def test_a_map_is_cut_and_flipped_as_its_picture_is(
    mapped: Path, tmp_path: Path, cache: Where, place_on_device: bool
) -> None:
    data = opened(mapped, cache=cache, cache_folder=str(tmp_path / "kept"))
    maps = {"segmentation_a": Segmentation(5, of="a"), "segmentation_b": Segmentation(4, of="b")}
    assert data.fields == {"a": Picture(1), "b": Picture(1), **maps}
    seen = []
    for epoch in range(3):
        for batch in make_loader(data, 3, epoch=epoch, place_on_device=place_on_device):
            for side, classes in (("a", 5), ("b", 4)):
                map = batch[f"segmentation_{side}"]
                assert map.shape == (3, classes, 16, 16) and map.sum(1).eq(1).all()
                assert torch.allclose(map.argmax(1, keepdim=True) * 40.0, (batch[side] + 1) * 127.5)
            seen.append(batch["a"])
    assert len({tuple(picture.flatten().tolist()) for batch in seen for picture in batch}) > 3  # crops, flips differ


def test_files_of_more_than_8_bits_have_maps_too(mapped: Path) -> None:
    for path in (mapped / "trainA").rglob("*.png"):
        np.save(path.with_suffix(".npy"), np.array(Image.open(path)).astype(np.float32) / 200)
        path.unlink()
    data = opened(mapped, codec=Npy(low=0, high=1), codec_b=Image8(), cache="ram")
    for index in range(3):
        item = data.item(index, torch.Generator().manual_seed(index))
        grey = item["segmentation_a"].argmax(0, keepdim=True) / 5
        assert torch.allclose(grey, (item["a"] + 1) / 2, atol=1e-6) and item["segmentation_a"].sum(0).eq(1).all()


def test_a_map_is_resized_without_mixing_its_classes(mapped: Path) -> None:
    data = Unpaired(root=str(mapped), classes_a=5, load_size=17, crop_size=13)
    map = data.item(0, torch.Generator().manual_seed(0))["segmentation_a"]
    assert map.shape == (5, 13, 13) and map.unique().tolist() == [0, 1] and map.sum(0).eq(1).all()


def test_the_other_splits(mapped: Path) -> None:
    data = opened(mapped)
    val, test = data.split("val"), data.split("test")
    assert set(val.fields) == {"a", "b", "segmentation_a", "segmentation_b"}
    assert set(test.fields) == {"a", "b", "segmentation_a"}  # there is no folder of B's
    item = test.item(1, torch.Generator())
    assert set(item) == set(test.fields)
    assert torch.allclose(item["segmentation_a"].argmax(0, keepdim=True) * 40.0, (item["a"] + 1) * 127.5)
    assert len(opened(mapped, val=0.5).split("val").item(0, torch.Generator())) == 4
    with pytest.raises(DataError, match="nowhere does not exist"):
        opened(mapped, test_maps_b="nowhere").split("test")


def test_named_folders(mapped: Path) -> None:
    (mapped / "trainA_maps").rename(mapped / "classes")
    with pytest.raises(DataError, match="trainA_maps does not exist"):
        opened(mapped)
    data = opened(mapped, maps_a="classes")
    assert data.sources["segmentation_a"] == [mapped / "classes" / f"{n}.bmp" for n in ("0", "2", "below/1")]
    assert data.sources["a"] == [mapped / "trainA" / f"{n}.png" for n in ("0", "2", "below/1")]
    with pytest.raises(ValueError, match="say how many classes the maps of b have, by classes_b"):
        opened(mapped, maps_a="classes", maps_b="x", classes_b=None)


def test_what_is_refused_at_the_start(mapped: Path) -> None:
    (mapped / "trainA_maps" / "2.bmp").unlink()
    (mapped / "trainA_maps" / "0.bmp").unlink()
    said = r"2 of 3 pictures have no map: the first is .*trainA/0\.png, whose map would be .*trainA_maps/0\.png"
    with pytest.raises(DataError, match=said):
        opened(mapped)
    write_map(mapped / "trainA_maps" / "0.bmp", np.zeros((SIZE, SIZE)))
    write_map(mapped / "trainA_maps" / "2.bmp", np.zeros((20, 24)))
    said = r"2\.bmp is 24 x 20 px, and its picture .*2\.png 30 x 30 px: a map has the size of its picture"
    with pytest.raises(DataError, match=said):
        opened(mapped)


def test_an_index_beyond_the_classes(mapped: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_map(mapped / "trainA_maps" / "0.bmp", np.full((SIZE, SIZE), 5))
    with pytest.raises(DataError, match=r"max_bad = 0: .*trainA/0\.png"):
        list(make_loader(opened(mapped, max_bad=0), 1))
    caplog.clear()
    item = opened(mapped).item(0, torch.Generator())  # the next one stands in, with its own map
    assert torch.allclose(item["segmentation_a"].argmax(0, keepdim=True) * 40.0, (item["a"] + 1) * 127.5)
    (record,) = [r for r in caplog.records if r.levelno == logging.WARNING]
    said = "0.bmp: it holds the value 5; the values of a map of 5 classes are 0 to 4, and 255 where there is none"
    assert "skipped a picture" in record.getMessage() and said in record.getMessage()


def test_what_is_no_map(mapped: Path, caplog: pytest.LogCaptureFixture) -> None:
    for folder in ("trainA", "trainB"):
        (mapped / f"{folder}_maps" / "0.bmp").unlink()
    Image.new("RGB", (SIZE, SIZE)).save(mapped / "trainA_maps" / "0.png")
    (mapped / "trainB_maps" / "0.png").write_text("no picture")
    data = opened(mapped)
    assert data.counts == {"a": 3, "b": 2}  # a broken header is found at once
    data.item(0, torch.Generator())
    said = "\n".join(record.getMessage() for record in caplog.records)
    assert "trainB_maps/0.png" in said and "a segmentation map has the class of a pixel as its grey value" in said


def test_a_list_of_maps(mapped: Path) -> None:
    rows = [f"train{s.upper()}/{n}.png,{s},train{s.upper()}_maps/{n}.bmp" for s in "ab" for n in ("0", "2")]
    rows += [f"test{s.upper()}/4.png,{s}," for s in "ab"]
    splits = ["train"] * 4 + ["test"] * 2
    text = "path,side,map,split\n" + "\n".join(f"{r},{s}" for r, s in zip(rows, splits, strict=True)) + "\n"
    (mapped / "list.csv").write_text(text)
    data = opened(mapped, listed="list.csv")
    item = data.item(1, torch.Generator())
    assert torch.allclose(item["segmentation_a"].argmax(0, keepdim=True) * 40.0, (item["a"] + 1) * 127.5)
    assert set(data.split("test").fields) == {"a", "b"}
    (mapped / "list.csv").write_text(text.replace("trainB_maps/2.bmp", ""))
    with pytest.raises(DataError, match=r"list\.csv:5: there is no `map`, and with classes_b each picture of b has"):
        opened(mapped, listed="list.csv")
    (mapped / "list.csv").write_text(text.replace("trainB_maps/2.bmp", "trainB_maps/9.bmp"))
    with pytest.raises(DataError, match=r"lists 1 files that do not exist: the first is .*list\.csv:5: .*9\.bmp"):
        opened(mapped, listed="list.csv")
