"""`gankit data fetch`: what is told before, what is asked, what is left."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner, Result

from gankit.cli.main import app
from gankit.data import sets
from tests.data.test_fetching import FILES, archive, toy
from tests.served import served


@pytest.fixture
def content(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> bytes:
    """The archive of a data set `toy`, which the table has."""
    path = archive(tmp_path / "made.zip", FILES)
    monkeypatch.setitem(sets.SETS, "toy", toy(path))
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    for name in ("GANKIT_OFFLINE", "HF_HUB_OFFLINE", sets.MIRROR):
        monkeypatch.delenv(name, raising=False)
    (tmp_path / "work").mkdir()
    monkeypatch.chdir(tmp_path / "work")
    content = path.read_bytes()
    path.unlink()
    return content


def fetch(*arguments: str, code: int = 0) -> Result:
    result = CliRunner().invoke(app, ["data", "fetch", *arguments])
    assert result.exit_code == code, result.output
    assert "Traceback" not in result.output
    return result


def words(result: Result) -> str:
    return " ".join(result.output.replace("│", " ").split())


def test_without_a_name_all_are_listed(content: bytes) -> None:
    listed = fetch()
    assert "horse2zebra" in listed.stdout and "117 MB" in listed.stdout
    assert max(map(len, listed.stdout.splitlines())) <= 80
    assert {row["name"] for row in json.loads(fetch("--json").stdout)} == set(sets.SETS)


def test_a_set_of_a_server(content: bytes) -> None:
    with served(content) as server:
        result = fetch("toy", "--yes", "--mirror", server.url)
    assert result.stdout == "datasets/toy\n"
    told = result.stderr
    assert server.url in told and str(len(content)) in told and "Nobody states a licence" in told
    assert sets.SETS["toy"].sha256 in told
    assert "gankit data inspect datasets/toy" in told
    assert "gankit train cyclegan --set data.root=datasets/toy" in told
    assert sorted(p.name for p in Path("datasets").iterdir()) == ["toy"]
    assert Path("datasets/toy/trainA/0.jpg").read_bytes() == FILES["toy/trainA/0.jpg"]


def test_nothing_is_fetched_without_a_word(content: bytes) -> None:
    with served(content) as server:
        result = fetch("toy", "--mirror", server.url, code=2)
        assert not server.asked
    assert "say --yes to fetch it" in words(result)
    assert not list(Path.cwd().iterdir())


def test_a_transfer_that_breaks_off_is_told_and_gone_on_with(content: bytes) -> None:
    with served(content) as server:
        server.most = 10
        broken = fetch("toy", "--yes", "--mirror", server.url, code=1)
        assert "200 of" in words(broken) and "the same command goes on there" in words(broken)
        assert [p.name for p in Path("datasets").iterdir()] == ["toy.zip.part"]
        server.most = None
        fetch("toy", "--yes", "--mirror", server.url, "--json")
        assert server.asked[-1] == "bytes=200-"


@pytest.mark.parametrize(
    ("arguments", "told", "code"),
    [
        (["toi", "--yes"], "no data set is called 'toi'; did you mean 'toy'?", 2),
        (["toy", "--yes", "--mirror", "ftp://x"], "is no place to fetch from", 2),
        (["toy", "--yes", "--archive", "none.zip"], "there is no file none.zip", 2),
        (["toy", "--yes", "--archive", __file__], "it is damaged, or another file", 2),
        (["toy", "--yes", "--out", "."], "is there already", 2),
    ],
)
def test_wrong_input(content: bytes, arguments: list[str], told: str, code: int) -> None:
    assert told in words(fetch(*arguments, code=code))
    assert not list(Path.cwd().iterdir())
