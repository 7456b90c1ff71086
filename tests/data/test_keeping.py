"""Where decoded pictures are kept."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
import torch
from torch import Tensor

from gankit.core.errors import DataError, GankitError
from gankit.data import keeping
from gankit.data.cache import Cache
from gankit.data.disk_cache import DiskCache
from gankit.data.keeping import Keeping

ENTRY = torch.arange(6, dtype=torch.uint8).view(2, 3)


class Maker:
    """Makes the entry, and counts."""

    def __init__(self) -> None:
        self.count = 0

    def __call__(self) -> Tensor:
        self.count += 1
        return ENTRY


def disk(folder: Path, what: str = "a picture") -> DiskCache:
    return DiskCache(folder, [(2, 3), (4,)], lambda key: f"{what} {key}")


def entries(folder: Path) -> list[Path]:
    return [file for file in folder.rglob("*") if file.is_file()]


def test_an_entry_is_made_once_for_all_who_come_later(tmp_path: Path):
    make = Maker()
    cache = disk(tmp_path)
    for reader in (cache, cache, disk(tmp_path)):
        assert torch.equal(reader.get(0, make), ENTRY)
    assert make.count == 1
    with pytest.raises(DataError):
        cache.get(1, lambda: (_ for _ in ()).throw(DataError("broken")))
    assert len(entries(tmp_path)) == 1
    assert torch.equal(disk(tmp_path, "another picture").get(0, make), ENTRY) and make.count == 2


def test_writing_to_an_entry_does_not_reach_the_file(tmp_path: Path):
    disk(tmp_path).get(0, Maker())
    disk(tmp_path).get(0, Maker()).zero_()
    assert torch.equal(disk(tmp_path).get(0, Maker()), ENTRY)


def test_half_an_entry_is_not_believed(tmp_path: Path):
    make = Maker()
    disk(tmp_path).get(0, make)
    (file,) = entries(tmp_path)
    file.write_bytes(file.read_bytes()[:3])
    assert torch.equal(disk(tmp_path).get(0, make), ENTRY) and make.count == 2
    file.rename(file.with_name(f".{file.name}.17.part"))  # as a kill before the renaming leaves it
    assert torch.equal(disk(tmp_path).get(0, make), ENTRY) and make.count == 3


def test_a_full_disk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    def full(self: Path, target: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    words = (
        r"cannot be kept there: no space left on device; all of them take 1e-08 GB: make room, set data.cache_folder"
    )
    with pytest.raises(GankitError, match=words) as caught:
        disk(tmp_path).get(0, Maker())
    assert caught.value.exit_code == 1 and not entries(tmp_path)


def test_interleaved_pictures_keep_their_meaning(tmp_path: Path):
    picture = torch.arange(24, dtype=torch.uint8).view(4, 2, 3).permute(2, 0, 1)
    for cache in (DiskCache(tmp_path, [picture.shape], str), Cache([picture.shape])):
        for _ in range(2):
            assert torch.equal(cache.get(0, lambda: picture), picture)


def test_auto_keeps_what_an_eighth_of_the_memory_holds(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(keeping, "memory", lambda: 800)
    assert isinstance(Keeping("auto").open([(3, 4, 5), (40,)], str), Cache)
    assert Keeping("auto").open([(3, 4, 5), (41,)], str) is None
    monkeypatch.setenv("LOCAL_WORLD_SIZE", "2")
    assert Keeping("auto").open([(3, 4, 5)], str) is None
    assert isinstance(Keeping("ram").open([(3, 4, 5)], str), Cache)
    assert Keeping("none").open([(3, 4, 5)], str) is None


@pytest.mark.skipif(sys.platform != "linux", reason="the memory is asked of Linux alone")
def test_the_memory_is_between_a_megabyte_and_a_petabyte():
    assert 2**20 < keeping.memory() < 2**50


def test_limits_of_control_groups(tmp_path: Path):
    own = tmp_path / "cgroup"
    assert keeping._limits(tmp_path, own) == []
    for folder, name, limit in (
        ("a", "memory.max", "5000"),
        ("a/b", "memory.max", "max"),
        ("memory/job", "memory.limit_in_bytes", "3000"),
        ("memory", "memory.limit_in_bytes", "9000"),
    ):
        (tmp_path / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / folder / name).write_text(limit + "\n")
    own.write_text("0::/a/b/c\n")
    assert keeping._limits(tmp_path, own) == [5000]
    own.write_text("5:cpu,cpuacct:/job\n4:memory:/job/step\n")
    assert keeping._limits(tmp_path, own) == [3000, 9000]


def test_the_default_folder_is_the_users(monkeypatch: pytest.MonkeyPatch, tmp_path: Path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    cache = Keeping("disk").open([(2, 3)], str)
    assert cache is not None
    cache.get(0, Maker())
    assert len(entries(tmp_path / "gankit" / "pictures")) == 1
