"""Public data sets: the table, archives that are not trusted, folders that appear whole or not at all."""

from __future__ import annotations

import hashlib
import stat
import zipfile
from pathlib import Path

import pytest

from gankit.core.download import DownloadError
from gankit.core.errors import DataError
from gankit.data import fetching, unpack
from gankit.data.sets import HOSTS, SETS, PublicSet, addresses, named

FILES = {f"toy/{folder}/0.jpg": folder.encode() * 50 for folder in ("trainA", "trainB", "testA", "testB")}


def archive(path: Path, files: dict[str, bytes]) -> Path:
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return path


def toy(path: Path) -> PublicSet:
    content = path.read_bytes()
    return PublicSet("toy", len(content), hashlib.sha256(content).hexdigest(), "a", "b", "none")


def inside(folder: Path) -> dict[str, bytes]:
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


# -- the table ---------------------------------------------------------------------------------------------------------
def test_the_table() -> None:
    assert len(SETS) == 10 and "cityscapes" not in SETS
    assert len({known.sha256 for known in SETS.values()}) == 10
    for name, known in SETS.items():
        assert known.name == name and len(known.sha256) == 64 and known.terms and 3e7 < known.size < 2e9
    with pytest.raises(DataError, match="did you mean 'horse2zebra'"):
        named("horses2zebras")


def test_the_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GANKIT_DATASETS", raising=False)
    known = named("maps")
    assert addresses(known) == [f"{host}/maps.zip" for host in HOSTS]
    monkeypatch.setenv("GANKIT_DATASETS", "https://mirror.example/sets/")
    assert addresses(known) == ["https://mirror.example/sets/maps.zip"]
    assert addresses(known, "file:///sets") == ["file:///sets/maps.zip"]
    with pytest.raises(DataError, match="begins with https://"):
        addresses(known, "/sets")


# -- archives ----------------------------------------------------------------------------------------------------------
def test_the_folder_around_all_goes_and_so_does_clutter(tmp_path: Path) -> None:
    clutter = {"__MACOSX/toy/._x": b"x", "toy/.DS_Store": b"x", "toy/trainA/Thumbs.db": b"x"}
    path = archive(tmp_path / "a.zip", FILES | clutter)
    assert unpack.unpack(path, tmp_path / "out") == 4
    assert inside(tmp_path / "out") == {name.removeprefix("toy/"): content for name, content in FILES.items()}


def test_folders_without_one_around_stay(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"trainA/0.jpg": b"a", "trainA/more/1.jpg": b"b"})
    unpack.unpack(path, tmp_path / "out")
    assert inside(tmp_path / "out") == {"trainA/0.jpg": b"a", "trainA/more/1.jpg": b"b"}


@pytest.mark.parametrize(
    "name", ["../x.jpg", "a/../../x.jpg", "/x.jpg", "a//x.jpg", "C:/x.jpg", "a\\..\\..\\x.jpg", "a/\x1bx.jpg"]
)
def test_what_would_lie_elsewhere_is_refused(tmp_path: Path, name: str) -> None:
    path = archive(tmp_path / "a.zip", FILES | {name: b"x"})
    with pytest.raises(DataError, match="would not lie in its folder"):
        unpack.unpack(path, tmp_path / "deep" / "out")
    assert [p.name for p in tmp_path.iterdir()] == ["a.zip"]


def test_links_are_refused(tmp_path: Path) -> None:
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as opened:
        link = zipfile.ZipInfo("a/link")
        link.external_attr = (stat.S_IFLNK | 0o777) << 16
        opened.writestr(link, "/etc")
    with pytest.raises(DataError, match="is no plain file"):
        unpack.unpack(tmp_path / "a.zip", tmp_path / "out")


def test_two_files_of_one_name_are_refused(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a/x.jpg": b"x", "a/X.jpg": b"y"})
    with pytest.raises(DataError, match="two of its files have one name"):
        unpack.unpack(path, tmp_path / "out")


def test_bombs_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(unpack, "MOST_RATIO", 2)
    path = archive(tmp_path / "a.zip", {"a/zeros.jpg": bytes(3 * 2**20)})
    with pytest.raises(DataError, match="would become 3145728 bytes"):
        unpack.unpack(path, tmp_path / "out")
    monkeypatch.setattr(unpack, "MOST_FILES", 3)
    with pytest.raises(DataError, match="4 files, more than 3"):
        unpack.unpack(archive(tmp_path / "b.zip", FILES), tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_a_size_that_lies_ends_in_words(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", {"a/b/x.jpg": bytes(1000)})
    content = bytearray(path.read_bytes())
    at = content.rindex((1000).to_bytes(4, "little"))  # of the directory: what is checked before
    content[at : at + 4] = (10).to_bytes(4, "little")
    path.write_bytes(content)
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack.unpack(path, tmp_path / "out")


def test_damaged_archives_end_in_words(tmp_path: Path) -> None:
    path = archive(tmp_path / "a.zip", FILES)
    path.write_bytes(path.read_bytes()[:-30])
    with pytest.raises(DataError, match="cannot be unpacked"):
        unpack.unpack(path, tmp_path / "out")
    with pytest.raises(DataError, match="holds no files"):
        unpack.unpack(archive(tmp_path / "empty.zip", {}), tmp_path / "out")


# -- all of it ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def host(tmp_path: Path) -> Path:
    (tmp_path / "host").mkdir()
    return archive(tmp_path / "host" / "toy.zip", FILES)


def test_a_set_is_fetched_and_its_archive_removed(tmp_path: Path, host: Path) -> None:
    folder = tmp_path / "sets" / "toy"
    gone = (tmp_path / "none.zip").as_uri()
    assert fetching.fetch(toy(host), folder, [gone, host.as_uri()]) == 4
    assert sorted(p.name for p in folder.iterdir()) == ["testA", "testB", "trainA", "trainB"]
    assert [p.name for p in folder.parent.iterdir()] == ["toy"]
    with pytest.raises(DataError, match="is there already; `--out` names another folder"):
        fetching.fetch(toy(host), folder, [host.as_uri()])


def test_a_file_that_is_here_is_checked_and_stays(tmp_path: Path, host: Path) -> None:
    fetching.fetch(toy(host), tmp_path / "toy", [], archive=host)
    assert host.is_file() and (tmp_path / "toy" / "trainA").is_dir()
    other = archive(tmp_path / "other.zip", {**FILES, "toy/trainA/0.jpg": b"another" * 50})
    with pytest.raises(DataError, match=r"it is damaged, or another file|is not the file that is known"):
        fetching.fetch(toy(host), tmp_path / "again", [], archive=other)
    with pytest.raises(DataError, match="there is no file"):
        fetching.fetch(toy(host), tmp_path / "again", [], archive=tmp_path / "none.zip")
    assert not (tmp_path / "again").exists()


def test_an_archive_beside_the_folder_is_taken_and_stays(tmp_path: Path, host: Path) -> None:
    fetching.fetch(toy(host), host.parent / "toy", [])
    assert sorted(p.name for p in host.parent.iterdir()) == ["toy", "toy.zip"]


def test_nothing_is_left_of_what_cannot_be_unpacked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "host").mkdir()
    path = archive(tmp_path / "host" / "toy.zip", {"../x.jpg": b"x"})
    with pytest.raises(DataError, match="is not unpacked"):
        fetching.fetch(toy(path), tmp_path / "sets" / "toy", [path.as_uri()])
    assert [p.name for p in (tmp_path / "sets").iterdir()] == ["toy.zip"]


def test_no_room_and_no_network(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GANKIT_OFFLINE", "HF_HUB_OFFLINE"):
        monkeypatch.delenv(name, raising=False)
    large = PublicSet("toy", 10**18, "0" * 64, "a", "b", "none")
    with pytest.raises(DataError, match=r"MB free, and toy needs about"):
        fetching.fetch(large, tmp_path / "toy", ["https://host.example/toy.zip"])
    monkeypatch.setenv("GANKIT_OFFLINE", "1")
    with pytest.raises(DownloadError, match=r"nothing is fetched; `--archive maps\.zip` takes a file"):
        fetching.fetch(named("maps"), tmp_path / "maps", ["https://host.example/maps.zip"])
    assert not list(tmp_path.iterdir())
