"""Which files of a folder are its pictures."""

from __future__ import annotations

import logging
from pathlib import Path

import pytest
from PIL import Image, features

from gankit.codecs.image import Image8
from gankit.core.errors import DataError
from gankit.data.images import list_images
from gankit.data.single import Single
from tests.data.test_folders import SIZES, draw


def files(root: Path, *names: str) -> Path:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).touch()
    return root


def found(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_images(root)]


def test_pictures_of_a_folder_and_its_subfolders(tmp_path: Path) -> None:
    files(tmp_path, "b.PNG", "a.jpeg", "sub/c.tif", "note.txt")
    assert found(tmp_path) == ["a.jpeg", "b.PNG", "sub/c.tif"]
    with pytest.raises(DataError, match=r"gone does not exist"):
        list_images(tmp_path / "gone")
    with pytest.raises(DataError, match=r"note.txt is not a folder"):
        list_images(tmp_path / "note.txt")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty holds no picture; pictures are files ending in .*\.png"):
        list_images(tmp_path / "empty")


def test_what_programs_keep_beside_pictures_is_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    folders = (".ipynb_checkpoints", ".thumbnails/large", "@eaDir/a.png", "__MACOSX", "sub/.git")
    files(tmp_path, "a.png", ".hidden.png", "._a.png", "Thumbs.db", ".DS_Store", *(f"{name}/x.png" for name in folders))
    assert found(tmp_path) == ["a.png"] and not caplog.records
    hidden = files(tmp_path / ".cache", "a.png")
    assert found(hidden) == ["a.png"]  # one that was named is read


def test_no_link_leads_in_a_circle(tmp_path: Path) -> None:
    root = files(tmp_path / "set" / "trainA", "1.png", "2.png", "deep/3.png")
    files(tmp_path / "set" / "trainB", "4.png")
    expected = ["1.png", "2.png", "deep/3.png"]
    for place, target in (("up", ".."), ("deep/self", ".."), ("deep/again", "../deep"), ("one", "."), ("two", ".")):
        (root / place).symlink_to(target)
    assert found(root) == expected
    other = files(tmp_path / "other", "5.png")
    (other / "back").symlink_to(root)
    (root / "there").symlink_to(other)  # and from there back again
    (root / "twice").symlink_to(other)
    (root / "file.png").symlink_to(other / "5.png")
    assert found(root) == sorted([*expected, "file.png", "there/5.png"])


def test_a_folder_without_rights_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    files(tmp_path, "a.png", "closed/b.png")
    scan = os.scandir

    def scandir(path: str):
        if Path(path).name == "closed":
            raise PermissionError(13, "Permission denied", str(path))
        return scan(path)

    monkeypatch.setattr(os, "scandir", scandir)
    with pytest.raises(DataError, match="closed: permission denied"):
        list_images(tmp_path)


def test_files_of_other_endings_are_counted_once(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    root = files(tmp_path, "a.png", "b.jfif", "c.heic", "d.heic", "e.psd", "note.txt")
    with caplog.at_level(logging.INFO, logger="gankit.data"):
        assert found(root) == found(root) == ["a.png", "b.jfif"]
    told = [(record.levelname, record.getMessage()) for record in caplog.records]
    assert told == [
        ("INFO", f"{root}: 2 pictures: 1 .jfif, 1 .png"),
        (
            "WARNING",
            f"{root}: left out 4 files whose endings are not those of pictures: 2 .heic, 1 .psd, 1 .txt; the first is "
            "c.heic",
        ),
    ]
    caplog.clear()
    list_images(files(tmp_path / "noted", "a.png", "captions.json", "README"))
    assert not [record for record in caplog.records if record.levelno >= logging.WARNING]


@pytest.mark.parametrize(
    ("ending", "kind"),
    [(".jfif", "JPEG"), (".gif", "GIF"), (".jp2", "JPEG2000"), (".apng", "PNG"), (".avif", "AVIF"), (".pbm", "PPM")],
)
def test_what_pillow_reads_is_read(tmp_path: Path, ending: str, kind: str) -> None:
    if (kind == "AVIF" and not features.check("avif")) or (kind == "JPEG2000" and not features.check("jpg_2000")):
        pytest.skip(f"this Pillow cannot write {kind}")
    picture = Image.new("L" if ending == ".pbm" else "RGB", (24, 20), "white")
    picture.convert("1" if ending == ".pbm" else picture.mode).save(tmp_path / f"x{ending}", kind)
    assert Image8().shape(tmp_path / f"x{ending}") == (3, 20, 24)
    item = Single(root=str(tmp_path), train=".", **SIZES).item(0, draw(0))["a"]
    assert item.shape == (3, 16, 16) and item.min() > 0.95
