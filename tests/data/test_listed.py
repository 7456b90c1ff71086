"""Data sets that a list file gives: what they hold, and what is refused with its line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from PIL import Image

from gankit.core.errors import DataError
from gankit.data import InpaintingFolder, PairedFolder, Single, Unpaired
from gankit.data.listed import read_list
from gankit.data.splitting import divide, write_list
from gankit.fields import Label, Picture

SIZES = {"load_size": 16, "crop_size": 16, "flip": False}


def pictures(folder: Path, *greys: int) -> None:
    """`7.png` is of grey 7."""
    folder.mkdir(parents=True, exist_ok=True)
    for grey in greys:
        Image.new("RGB", (16, 16), (grey,) * 3).save(folder / f"{grey}.png")


def greys(data, field: str = "a") -> list[int]:
    items = [data.item(i, torch.Generator()) for i in range(len(data))]
    return [round((item[field].mean().item() + 1) * 127.5) for item in items]


def listed(folder: Path, text: str, name: str = "list.csv") -> Path:
    (folder / name).write_text(text)
    return folder / name


def test_single_with_labels(tmp_path: Path) -> None:
    pictures(tmp_path / "x", 9, 5, 7, 3)
    file = listed(tmp_path, "split,path,label\ntrain,x/9.png,0\ntrain,x/5.png,4\n\ntest,x/7.png,2\nval,x/3.png,1\n")
    data = Single(listed=str(file), **SIZES)
    assert greys(data) == [9, 5] and greys(data.split("test")) == [7] and greys(data.split("val")) == [3]
    assert data.fields == {"a": Picture(3), "label": Label(5)}
    assert [int(data.item(i, torch.Generator())["label"]) for i in range(2)] == [0, 4]
    assert data.sources == {"a": [tmp_path / "x" / "9.png", tmp_path / "x" / "5.png"], "label": [file]}
    assert greys(Single(root=str(tmp_path), listed="list.csv", **SIZES)) == [9, 5]


def test_a_broken_picture_takes_its_label_along(tmp_path: Path) -> None:
    pictures(tmp_path, 1, 2)
    whole = (tmp_path / "1.png").read_bytes()
    (tmp_path / "1.png").write_bytes(whole[:45])  # a sound header
    (tmp_path / "0.png").write_bytes(b"nothing")
    data = Single(listed=str(listed(tmp_path, "path,label\n0.png,0\n1.png,1\n2.png,2\n")), **SIZES)
    assert len(data) == 2
    assert [int(data.item(i, torch.Generator())["label"]) for i in range(2)] == [2, 2]


def test_unpaired(tmp_path: Path) -> None:
    pictures(tmp_path, *range(1, 7))
    rows = [{"path": f"{i}.png", "side": "ab"[i % 2], "split": "test" if i < 3 else "train"} for i in range(1, 7)]
    file = listed(tmp_path, "\n".join(map(json.dumps, rows)), "list.jsonl")
    data = Unpaired(listed=str(file), serial=True, **SIZES)
    assert greys(data) == [4, 6] and greys(data, "b") == [3, 5]
    assert (greys(data.split("test")), greys(data.split("test"), "b")) == ([2], [1])
    with pytest.raises(
        DataError, match=r"list.jsonl lists no picture with split val and side a, and no share `val: 0.1`"
    ):
        data.split("val")


def test_pairs_may_share_a_picture(tmp_path: Path) -> None:
    pictures(tmp_path, *range(1, 6))
    file = listed(tmp_path, "a,b,split\n1.png,2.png,train\n1.png,3.png,train\n4.png,5.png,test\n")
    for direction, source, target in (("a2b", [1, 1], [2, 3]), ("b2a", [2, 3], [1, 1])):
        data = PairedFolder(listed=str(file), direction=direction, **SIZES)  # pyright: ignore[reportArgumentType]
        assert (greys(data), greys(data, "b")) == (source, target)
        assert len(data.split("test")) == 1


def test_inpainting_and_a_share(tmp_path: Path) -> None:
    pictures(tmp_path, *range(40))
    file = listed(tmp_path, "path\n" + "".join(f"{i}.png\n" for i in range(40)))
    data = InpaintingFolder(listed=str(file), val=0.2, **SIZES)
    assert len(data) + len(data.split("val")) == 40 and set(data.fields) == {"a", "mask"}
    with pytest.raises(DataError, match="lists no picture with split test"):
        data.split("test")


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("x.txt", "path\n1.png\n", "ends in .csv or .jsonl"),
        ("x.csv", "", "lists no picture"),
        ("x.csv", "path\n", "lists no picture"),
        ("x.csv", "path;split\n1.png;train\n", r"x.csv:1: this data set takes no column 'path;split'"),
        ("x.csv", "path,splt\n1.png,train\n", "x.csv:1: .* did you mean 'split'"),
        ("x.csv", "path,side\n1.png,a\n", "x.csv:1: this data set takes no column 'side'"),
        ("x.csv", "split\ntrain\n", "x.csv:1: there is no column 'path'"),
        ("x.csv", "path,path\n1.png,2.png\n", "x.csv:1: a column appears twice"),
        ("x.csv", "path,split\n1.png\n", "x.csv:2: it has 1 values, and the first line 2"),
        ("x.csv", 'path\n"1.png', "x.csv:2: it is not CSV"),
        ("x.csv", "path\n1.png\n2.png\n1.png\n", "x.csv:4: .*1.png is already in line 2"),
        ("x.csv", "path,split\n1.png,dev\n", "x.csv:2: split is 'dev', and can be train, val or test"),
        ("x.csv", "path\n1.png\n3.png\n~nobody/4.png\n", r"lists 2 files that do not exist: the first is .*x.csv:3"),
        ("x.csv", "path\n" + "x" * 5000 + "\n", "1 files that do not exist"),
        ("x.csv", "path,label\n1.png,-1\n", "x.csv:2: label is '-1'"),
        ("x.csv", "path,label\n1.png,cat\n", "x.csv:2: label is 'cat', and can be a whole number"),
        ("x.csv", "path,label\n,1\n", "x.csv:2: path names no file"),
        ("x.jsonl", '{"path": "1.png"', "x.jsonl:1: it is not JSON"),
        ("x.jsonl", "[" * 100_000, "x.jsonl:1: it is not JSON"),
        ("x.jsonl", '{"path": "1.png"}\n["2.png"]', "x.jsonl:2: a line is an object"),
        ("x.jsonl", '{"path": ["1.png"]}', "x.jsonl:1: path is neither a text nor a whole number"),
        ("x.jsonl", '{"path": "1.png", "label": 1}\n{"path": "2.png"}', "some lines have a label and others none"),
        ("x.jsonl", '{"path": "\\ud800"}', "1 files that do not exist"),
    ],
)
def test_wrong_lists(tmp_path: Path, name: str, text: str, message: str) -> None:
    pictures(tmp_path, 1, 2)
    with pytest.raises(DataError, match=message):
        read_list(listed(tmp_path, text, name), ["path"], labels=True)


def test_a_list_instead_of_folders(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="`listed` says where the pictures are: leave out train and test"):
        Single(listed="list.csv", train="x", test="y", **SIZES)
    with pytest.raises(DataError, match=r"nothing.csv cannot be read: no such file"):
        Single(root=str(tmp_path), listed="nothing.csv", **SIZES)


def test_what_split_writes_is_read(tmp_path: Path) -> None:
    pictures(tmp_path / "all", *range(10))
    for name in ("x.csv", "x.jsonl"):
        write_list(divide(tmp_path / "all", 0.2, 0.2), tmp_path / name)
        data = Single(listed=str(tmp_path / name), **SIZES)
        assert sorted(greys(data) + greys(data.split("val")) + greys(data.split("test"))) == list(range(10))
    pictures(tmp_path / "two" / "A", 1, 2, 3)
    pictures(tmp_path / "two" / "B", 11, 12, 13)
    write_list(divide(tmp_path / "two", 0, 0.3), tmp_path / "two.csv")
    data = Unpaired(listed=str(tmp_path / "two.csv"), **SIZES)
    assert data.counts == {"a": 2, "b": 2} and data.split("test").counts == {"a": 1, "b": 1}
