"""Downloads from a server on the loopback: gone on with, begun again, refused."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from pathlib import Path

import pytest

from gankit.core.download import TRIES, DownloadError, check, download
from gankit.core.errors import DataError
from tests.served import Served, served

CONTENT = random.Random(0).randbytes(3000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Served]:
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with served(CONTENT) as state:
        yield state


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "a.zip"


def get(server: Served, path: Path) -> list[int]:
    told: list[int] = []
    download(f"{server.url}/a.zip", path, len(CONTENT), SHA256, told.append)
    assert path.read_bytes() == CONTENT and not part(path).exists()
    return told


def part(path: Path) -> Path:
    return path.with_name("a.zip.part")


def test_a_file_comes_whole(server: Served, path: Path) -> None:
    assert get(server, path)[-1] == len(CONTENT)
    assert server.asked == [None]


def test_what_breaks_off_is_gone_on_with(server: Served, path: Path) -> None:
    server.most = 1000
    told = get(server, path)
    assert server.asked == [None, "bytes=1000-", "bytes=2000-"]
    assert told == sorted(told)


def test_a_later_call_goes_on(server: Served, path: Path) -> None:
    part(path).write_bytes(CONTENT[:2500])
    get(server, path)
    assert server.asked == ["bytes=2500-"]


def test_a_server_without_ranges_begins_again(server: Served, path: Path) -> None:
    server.ranges = False
    part(path).write_bytes(CONTENT[:2500])
    get(server, path)


@pytest.mark.parametrize("old", [b"x" * 100, b"x" * len(CONTENT), b"x" * (len(CONTENT) + 1)])
def test_a_part_of_another_file_is_begun_again(server: Served, path: Path, old: bytes) -> None:
    part(path).write_bytes(old)
    get(server, path)


def test_a_transfer_without_an_end_is_given_up_and_kept(server: Served, path: Path) -> None:
    server.most = 1
    with pytest.raises(DownloadError, match=f"broke off {TRIES} times; {TRIES} of 3000 bytes are here, and the same"):
        get(server, path)
    assert part(path).read_bytes() == CONTENT[:TRIES]
    server.most = 0
    with pytest.raises(DownloadError, match="ended the transfer early; 20 of 3000"):
        get(server, path)


def test_another_file_is_not_kept(server: Served, path: Path) -> None:
    server.content = CONTENT[:-1] + bytes([CONTENT[-1] ^ 1])
    with pytest.raises(DownloadError, match=r"is not the file that is known: its SHA-256 is .* It was not kept"):
        get(server, path)
    assert not list(path.parent.iterdir())
    server.content = CONTENT + b"more"
    with pytest.raises(DownloadError, match="has 3004 bytes, not 3000: it is another file"):
        get(server, path)


def test_what_a_server_answers_is_told(server: Served, path: Path) -> None:
    server.status = 404
    with pytest.raises(DownloadError, match=r"a\.zip: the server answers 404 Not Found"):
        get(server, path)
    server.status = 0
    get(server, path)


def test_nobody_there(server: Served, path: Path) -> None:
    with pytest.raises(DownloadError, match="no such file"):
        download((path.parent / "none.zip").as_uri(), path, 1, SHA256)


def test_a_file_of_this_machine(path: Path) -> None:
    (path.parent / "source.zip").write_bytes(CONTENT)
    download((path.parent / "source.zip").as_uri(), path, len(CONTENT), SHA256)
    check(path, len(CONTENT), SHA256)
    with pytest.raises(DataError, match="has 3000 bytes, not 5"):
        check(path, 5, SHA256)
    with pytest.raises(DataError, match=r"its SHA-256 is .*, not 0000"):
        check(path, len(CONTENT), "0" * 64)
