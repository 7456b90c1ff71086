"""Dividing folders of pictures: shares, what stays together, what is written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from gankit.core.errors import DataError, GankitError
from gankit.data.splitting import Divided, divide, write_folders, write_list


def files(folder: Path, *names: str) -> Path:
    """Files that nobody opens as pictures, each of other bytes."""
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(os.fsencode(f"{folder.name}/{name}"))
    return folder


def numbered(folder: Path, count: int) -> Path:
    return files(folder, *(f"{i:03}.png" for i in range(count)))


def stems(divided: Divided, side: str = "") -> dict[str, list[str]]:
    return {split: [s.stem for s in sources if s.side == side] for split, sources in divided.items()}


def test_shares_are_exact_and_of_the_seed(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "all", 50)
    first = stems(divide(folder, 0.1, 0.2))
    assert {split: len(names) for split, names in first.items()} == {"train": 35, "val": 5, "test": 10}
    assert sorted(name for names in first.values() for name in names) == [f"{i:03}" for i in range(50)]
    assert first == stems(divide(folder, 0.1, 0.2)) != stems(divide(folder, 0.1, 0.2, seed=1))
    assert set(stems(divide(folder, 0, 0.2))) == {"train", "test"}


def test_groups_and_copies_stay_together(tmp_path: Path) -> None:
    folder = files(tmp_path / "scans", *(f"p{p}/{i}_{p}.png" for p in range(8) for i in range(3)))
    (folder / "p0" / "copy.png").write_bytes((folder / "p5" / "1_5.png").read_bytes())
    divided = stems(divide(folder, 0.2, 0.2, group=r"^p(\d)"))
    patients = {split: {name[1] for name in names} for split, names in divided.items()}
    assert sum(map(len, patients.values())) == 8 and len(divided["val"]) in range(3, 8)
    assert any({"0", "5"} <= of for of in patients.values())
    alone = stems(divide(folder, 0.2, 0.2))
    assert any({"p0/copy", "p5/1_5"} <= set(names) for names in alone.values())
    with pytest.raises(DataError, match=r"p0/0_0.png: '\^q' finds nothing in its name"):
        divide(folder, group="^q")
    with pytest.raises(DataError, match="is not a regular expression"):
        divide(folder, group="(")


def test_two_sides(tmp_path: Path) -> None:
    folder = tmp_path / "two"
    numbered(folder / "A", 20)
    files(folder / "b", *(f"z{i}.jpg" for i in range(10)))
    divided = divide(folder, 0.1, 0.2)
    assert [len(names) for names in stems(divided, "A").values()] == [14, 2, 4]
    assert [len(names) for names in stems(divided, "B").values()] == [7, 1, 2]
    write_folders(divided, tmp_path / "out")
    assert sorted(p.name for p in (tmp_path / "out").iterdir()) == [
        "testA",
        "testB",
        "trainA",
        "trainB",
        "valA",
        "valB",
    ]
    with pytest.raises(DataError, match="has no partner"):
        divide(folder, pairs=True)


def test_pairs(tmp_path: Path) -> None:
    folder = tmp_path / "pairs"
    numbered(folder / "A", 20)
    files(folder / "B", *(f"{i:03}.jpg" for i in range(20)))
    divided = divide(folder, pairs=True)
    assert stems(divided, "A") == stems(divided, "B") and len(divided["test"]) == 4
    write_folders(divided, tmp_path / "out", links=True, pairs=True)
    linked = tmp_path / "out" / "test" / "B" / divided["test"][-1].name
    assert linked.is_symlink() and linked.read_text().startswith("B/")
    write_list(divided, tmp_path / "lists" / "pairs.jsonl", pairs=True)
    row = json.loads((tmp_path / "lists" / "pairs.jsonl").read_text().splitlines()[0])
    assert row == {
        "a": "../pairs/A/" + Path(row["a"]).name,
        "b": f"../pairs/B/{Path(row['a']).stem}.jpg",
        "split": "train",
    }


def test_a_list(tmp_path: Path) -> None:
    folder = files(tmp_path / "all", "a, b.png", "c.png", "d\nd.png", os.fsdecode(b"\xff.png"))
    write_list(divide(folder, 0, 0.25), tmp_path / "all.csv")
    text = (tmp_path / "all.csv").read_bytes()
    assert text.startswith(b"path,split\n") and b'"all/a, b.png",' in text and b"all/\xff.png," in text


@pytest.mark.parametrize(
    ("val", "test", "message"),
    [(0, 0, "nothing to divide"), (0.5, 0.5, "none for training"), (0.4, 0.4, "no picture is left for train")],
)
def test_shares_that_cannot_be(tmp_path: Path, val: float, test: float, message: str) -> None:
    with pytest.raises(DataError, match=message):
        divide(numbered(tmp_path, 2), val, test)


def test_folders_that_cannot_be_divided(tmp_path: Path) -> None:
    files(tmp_path / "done", "train/a.png", "test/b.png")
    files(tmp_path / "half", "A/a.png", "c/b.png")
    files(tmp_path / "beside", "A/a.png", "B/b.png", "c.png")
    for name, message in (
        ("done", "is divided already"),
        ("half", "none for the other side"),
        ("beside", "is beside"),
    ):
        with pytest.raises(DataError, match=message):
            divide(tmp_path / name)


def test_two_folders_that_lie_anywhere(tmp_path: Path) -> None:
    cats, dogs = (
        numbered(tmp_path / "x" / "cats", 20),
        files(tmp_path / "y" / "dogs", *(f"z{i}.jpg" for i in range(10))),
    )
    divided = divide(cats, 0.1, 0.2, other=dogs)
    assert [len(names) for names in stems(divided, "A").values()] == [14, 2, 4]
    assert [len(names) for names in stems(divided, "B").values()] == [7, 1, 2]
    files(tmp_path / "y" / "dogs", "003.jpg")  # of one name with a cat: with it in one split, and the shares stay
    together = divide(cats, 0.1, 0.2, other=dogs)
    assert [len(names) for names in stems(together, "A").values()] == [14, 2, 4]
    assert [len(names) for names in stems(together, "B").values()] == [8, 1, 2]
    assert any("003" in names and "003" in stems(together, "B")[split] for split, names in stems(together, "A").items())
    write_folders(divided, tmp_path / "out")
    assert len(list((tmp_path / "out" / "trainB").iterdir())) == 7
    for other, message in (
        (cats, "are one folder"),
        (cats / "000.png", "one lies in the other"),
        (tmp_path, "one lies"),
    ):
        with pytest.raises(DataError, match=message):
            divide(cats, other=other)
    with pytest.raises(DataError, match="is divided already"):
        divide(tmp_path / "out", other=dogs)


def test_two_folders_in_one_are_told_of(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    files(tmp_path / "pets", *(f"{kind}/{i}.png" for kind in ("cats", "dogs") for i in range(6)))
    assert {split: len(names) for split, names in divide(tmp_path / "pets").items()} == {
        "train": 10,
        "val": 1,
        "test": 1,
    }
    assert (
        "holds two folders, cats and dogs" in caplog.text and f"gankit data split {tmp_path}/pets/cats" in caplog.text
    )


def test_nothing_is_half_written(tmp_path: Path) -> None:
    folder = numbered(tmp_path / "all", 10)
    divided = divide(folder)
    (folder / "004.png").unlink()
    with pytest.raises(GankitError, match=r"out: cannot be written: no such file .*004.png.*: nothing of it was kept"):
        write_folders(divided, tmp_path / "out")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["all"]
    (tmp_path / "out").mkdir()
    for write, place in ((write_folders, "out"), (write_list, "out")):
        with pytest.raises(DataError, match="exists already"):
            write(divided, tmp_path / place)
