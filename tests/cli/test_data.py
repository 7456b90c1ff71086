"""`gankit data`: what is told of folders and of recipes, and dividing them."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from typer.testing import CliRunner

from gankit.cli.main import app

SIZES = ("data.load_size=24", "data.crop_size=16")


def run(*arguments: str | Path, code: int = 0) -> str:
    result = CliRunner().invoke(app, ["data", *map(str, arguments)])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result.stdout if code == 0 else " ".join(result.output.replace("│", " ").split())


def sizes() -> list[str]:
    return [word for option in SIZES for word in ("--set", option)]


def picture(path: Path, seed: int, mode: str = "RGB", size: tuple[int, int] = (24, 24), **saved: Any) -> Path:
    """Noise in squares of 4 pixels."""
    path.parent.mkdir(parents=True, exist_ok=True)
    shape = (size[1] // 4, size[0] // 4, len(mode))
    pixels = np.random.default_rng(seed).integers(0, 255, shape, dtype=np.uint8).repeat(4, 0).repeat(4, 1)
    Image.fromarray(pixels[..., 0] if mode == "L" else pixels, mode).save(path, **saved)
    return path


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two domains, with a copy in the test, one broken file, one transparent one, one wide one, one turned one."""
    for i in range(8):
        for domain in "AB":
            picture(tmp_path / f"train{domain}" / f"{i}.png", ord(domain) + 10 * i)
    for domain in "AB":
        picture(tmp_path / f"test{domain}" / "0.png", ord(domain) + 1000)
    Image.open(tmp_path / "trainA" / "3.png").save(tmp_path / "testA" / "again.bmp")
    picture(tmp_path / "trainA" / "clear.png", 2000, "RGBA")
    wide = picture(tmp_path / "trainB" / "wide.png", 2001, size=(96, 24))
    whole = picture(tmp_path / "trainB" / "half.png", 2002, size=(64, 64)).read_bytes()
    (wide.parent / "half.png").write_bytes(whole[: len(whole) // 2])
    exif = Image.Exif()
    exif[0x0112] = 6
    picture(tmp_path / "trainB" / "turned.jpg", 2003, size=(24, 32), exif=exif)
    return tmp_path


def test_inspect_a_folder(two: Path) -> None:
    found = json.loads(run("inspect", two, "--json", "--sheet", two.parent / "sheet.png"))
    parts = {part["name"]: part for part in found["parts"]}
    assert list(parts) == ["trainA", "trainB", "testA", "testB"]
    assert parts["trainA"]["kinds"] == {"RGB of 8 bits": 8, "RGBA of 8 bits": 1} and parts["trainA"]["transparent"] == 1
    assert parts["trainB"]["sizes"] == {"24 x 24": 8, "96 x 24": 1, "32 x 24": 1} and parts["trainB"]["turned"] == 1
    assert list(parts["trainB"]["broken"]) == [str(two / "trainB" / "half.png")]
    assert found["reads"] == f"{{type: unpaired, root: {two}}}"
    told = "\n".join(found["warnings"])
    assert "trainA and testA share 1 picture" in told and "again.bmp" in told and len(found["warnings"]) == 3
    with Image.open(two.parent / "sheet.png") as sheet:
        assert sheet.width > 4 * 128 and sheet.height > 6 * 24


def test_inspect_a_recipe(two: Path) -> None:
    sets = ["--set", f"data.root={two}", "--set", "data.max_bad=0", *sizes()]
    text = run("inspect", "cyclegan", *sets, "--sheet", two.parent / "sheet.html")
    assert "train  11 items: a 3 x 16 x 16, b 3 x 16 x 16" in text
    assert "val    none: there are no pictures for validation" in text
    assert "train a and test a share 1 picture" in text
    assert "train b: resizing squeezes or stretches 2 pictures" in text
    assert "1 pictures cannot be read, and a folder may have max_bad = 0" in text
    page = (two.parent / "sheet.html").read_text()
    assert "data:image/png;base64," in page and "share 1 picture" in page and "<script" not in page


def test_inspect_masks_and_holes(tmp_path: Path) -> None:
    for i in range(3):
        picture(tmp_path / "train" / f"{i}.png", i)
        (tmp_path / "masks").mkdir(exist_ok=True)
        mask = np.zeros((24, 24), np.uint8)
        mask[: 6 * (i + 1)] = 255
        Image.fromarray(mask).save(tmp_path / "masks" / f"{i}.png")
    found = json.loads(run("inspect", tmp_path, "--json"))
    masks = next(part for part in found["parts"] if part["name"] == "masks")
    assert masks["white"] == {"least": 0.25, "median": 0.5, "most": 0.75}
    data = f"data={{type: inpainting, root: {tmp_path}, hole_min: 0.2, hole_max: 0.3}}"
    found = json.loads(run("inspect", "lbam", "--set", data, *sizes(), "--json"))
    assert 0.2 <= found["drawn_holes"]["least"] <= found["drawn_holes"]["most"] <= 0.3


def test_inspect_what_is_drawn(tmp_path: Path) -> None:
    found = json.loads(run("inspect", "demo", "--json", "--sheet", tmp_path / "sheet.png"))
    assert found["parts"] == [] and set(found["splits"]) == {"train", "val", "test"}
    assert (tmp_path / "sheet.png").is_file()


@pytest.mark.parametrize("name", [b"a\x1b[31m.png", b"\xff.png"])
def test_names_are_shown_as_is_safe(tmp_path: Path, name: bytes) -> None:
    odd = tmp_path / os.fsdecode(name)
    odd.write_bytes(b"nothing")
    picture(tmp_path / "good.png", 0)
    assert "\x1b" not in run("inspect", tmp_path)
    assert str(odd) in json.loads(run("inspect", tmp_path, "--json"))["parts"][0]["broken"]


def test_inspect_refuses(tmp_path: Path) -> None:
    assert "holds no picture" in run("inspect", tmp_path, code=2)
    assert "there is no such folder or file" in run("inspect", tmp_path / "nothing.yaml", code=2)
    (tmp_path / "a.png").write_bytes(b"nothing")
    assert "ends in .png or .html" in run("inspect", tmp_path, "--sheet", "sheet.jpg", code=2)
    assert "has no recipe" in run("inspect", tmp_path, "--set", "data.root=x", code=2)
    assert "no picture of" in run("inspect", tmp_path, "--sheet", tmp_path / "sheet.png", code=2)
    assert not (tmp_path / "sheet.png").exists()


def test_split(two: Path) -> None:
    folder, out = two / "trainA", two / "out"
    counts = json.loads(run("split", folder, "--val", "0.2", "--test", "0.2", "--out", out, "--json"))["pictures"]
    assert counts == {"train": 5, "val": 2, "test": 2}
    assert sum(1 for path in out.rglob("*.png")) == 9 == sum(1 for path in folder.iterdir())
    found = json.loads(run("inspect", "dcgan", "--set", f"data={{type: single, root: {out}}}", *sizes(), "--json"))
    assert found["splits"]["val"].startswith("2 items")
    run("split", folder, "--out", two / "list.csv")
    assert (two / "list.csv").read_text().startswith("path,split\ntrainA/")
    assert str(two / "trainA-split") in run("split", folder, "--links")
    assert "exists already" in run("split", folder, code=2)


def test_split_of_two_folders(two: Path) -> None:
    counts = json.loads(run("split", two / "trainA", two / "trainB", "--test", "0.2", "--json"))
    assert counts["out"] == str(two / "trainA-trainB-split") and counts["pictures"]["train"].keys() == {"A", "B"}
    assert (two / "trainA-trainB-split" / "testB").is_dir()
    assert "lies in" in run("split", two / "trainA", two / "trainB", "--out", two / "trainB" / "out", code=2)


def test_split_refuses(two: Path) -> None:
    assert "is divided already" in run("split", two, code=2)
    assert "lies in" in run("split", two / "trainA", "--out", two / "trainA" / "out", code=2)
    assert "a list refers to the pictures" in run("split", two / "trainA", "--links", "--out", "a.csv", code=2)
    assert "does not exist" in run("split", two / "nothing", code=2)
    assert "--val" in run("split", two / "trainA", "--val", "1.5", code=2)


def test_inspect_pairs_side_by_side(tmp_path: Path) -> None:
    for split, seeds in (("train", (1, 2)), ("test", (3,))):
        for seed in seeds:
            picture(tmp_path / split / f"{seed}.png", seed, size=(48, 24))
    found = json.loads(run("inspect", "pix2pix", "--set", f"data.root={tmp_path}", *sizes(), "--json"))
    assert [part["name"] for part in found["parts"]] == ["train a", "test a"]  # one file for both sides
    assert not [text for text in found["warnings"] if "squeezes" in text]

    cropped = ["--set", f"data.root={tmp_path}", "--set", "data.preprocess=crop", "--set", "data.largest_crop=40"]
    tight = run("inspect", "pix2pix", *cropped, "--set", "data.crop_size=24")
    assert "train a: largest_crop changes nothing for 2 pictures" in tight and "test a: largest_crop" not in tight
    assert "changes nothing" not in run("inspect", "pix2pix", *cropped, "--set", "data.crop_size=16")


def test_inspect_deep_pictures(tmp_path: Path) -> None:
    for i in range(3):
        Image.fromarray(np.full((24, 24), 1000 + i, np.uint16)).save(tmp_path / f"{i}.png")
    assert "codec: {type: grey16, low: 0, high: 1023}" in run("inspect", tmp_path)
    data = f"data={{type: single, root: {tmp_path}, train: ., codec: {{type: grey16, low: 0, high: 4095}}}}"
    found = json.loads(run("inspect", "dcgan", "--set", data, *sizes(), "--json"))
    assert found["parts"][0]["kinds"] == {"uint16 of 1 channel": 3} and found["splits"]["test"].startswith("none: ")
