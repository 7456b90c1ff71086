"""Runs on the Hub, against a double of its API: nothing here reaches a network."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest
import torch
from huggingface_hub import errors
from PIL import Image
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.core.errors import CheckpointError, DataError, GankitError
from gankit.interop import hub
from gankit.interop.hub import Parcel, fetch, push
from tests.web.models import model


class Double:
    """An API whose Hub is a folder."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.calls = folder, []
        self.fails: Exception | None = None

    def _call(self, *what: Any) -> None:
        self.calls.append(what)
        if self.fails is not None:
            raise self.fails

    def create_repo(self, repo_id: str, *, private: bool, exist_ok: bool) -> None:
        assert exist_ok
        self._call("create", repo_id, private)

    def upload_folder(self, *, repo_id: str, folder_path: str, commit_message: str) -> None:
        self._call("upload", repo_id, commit_message)
        shutil.copytree(folder_path, self.folder / repo_id, dirs_exist_ok=True)

    def list_repo_files(self, repo_id: str, *, revision: str | None) -> list[str]:
        self._call("list", repo_id, revision)
        place = self.folder / repo_id
        return [str(path.relative_to(place)) for path in place.rglob("*") if path.is_file()]

    def snapshot_download(
        self, repo_id: str, *, revision: str | None, allow_patterns: list[str], local_files_only: bool
    ) -> str:
        self._call("download", repo_id, local_files_only)
        cached = self.folder / "cache" / repo_id
        if local_files_only and not cached.exists():
            raise errors.LocalEntryNotFoundError("not there")
        if not local_files_only:
            cached.mkdir(parents=True, exist_ok=True)
            for name in allow_patterns:
                if (self.folder / repo_id / name).exists():
                    shutil.copy(self.folder / repo_id / name, cached / name)
        return str(cached)


@pytest.fixture
def double(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Double:
    made = Double(tmp_path / "hub")
    monkeypatch.setattr(hub, "_api", lambda: made)
    monkeypatch.delenv("GANKIT_OFFLINE")
    return made


@pytest.fixture
def run(tmp_path: Path) -> gankit.Model:
    loaded = model(name=str(tmp_path / "run"))
    (tmp_path / "run" / "samples").mkdir(parents=True)
    for step in (1, 2):
        Image.new("RGB", (4, 4), (step, 0, 0)).save(tmp_path / "run" / "samples" / f"step_00000{step}.png")
    return loaded


def send(run: gankit.Model, agree: Callable[[Parcel], bool] = lambda _: True, **more: Any) -> str | None:
    return push(run, "me/mine", licence="mit", agree=agree, **more)


def test_a_run_goes_and_comes_back(run: gankit.Model, double: Double) -> None:
    assert send(run, data_licence="cc0-1.0") == "https://huggingface.co/me/mine"
    assert double.calls == [("create", "me/mine", True), ("upload", "me/mine", "Add a run of gankit")]
    there = double.folder / "me/mine"
    card = (there / "README.md").read_text()
    assert 'gankit.load("hf:me/mine")' in card and "![samples of the training](samples.png)" in card
    assert "license: mit" in card and "Licence of the data: cc0-1.0." in card
    assert Image.open(there / "samples.png").getpixel((0, 0)) == (2, 0, 0)  # the newest
    (there / "extra.pkl").write_bytes(b"code")
    again, picture = gankit.load("hf:me/mine", device="cpu"), torch.rand(1, 3, 16, 16)
    assert torch.equal(again.translate(picture), run.translate(picture)) and again.recipe == run.recipe
    assert again.run_dir == double.folder / "cache" / "me/mine"
    assert "extra.pkl" not in {path.name for path in again.run_dir.iterdir()}


def test_nothing_leaves_without_a_word(run: gankit.Model, double: Double) -> None:
    shown: list[Parcel] = []

    def no(parcel: Parcel) -> bool:
        shown.append(parcel)
        return False

    assert send(run, no, private=False) is None and double.calls == []
    assert not shown[0].private and {"networks.safetensors", "README.md", "samples.png"} <= set(shown[0].files)


def test_offline_it_is_what_the_cache_has(run: gankit.Model, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    send(run)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(CheckpointError, match="not in this machine's cache"):
        fetch("hf:me/mine")
    monkeypatch.delenv("HF_HUB_OFFLINE")
    fetch("hf:me/mine@v1")
    assert ("list", "me/mine", "v1") in double.calls
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    double.calls.clear()
    assert (fetch("hf:me/mine") / "state.json").is_file() and double.calls == [("download", "me/mine", True)]


def test_a_foreign_repository_is_refused_before_anything_is_fetched(double: Double) -> None:
    place = double.folder / "other" / "net"
    place.mkdir(parents=True)
    (place / "pytorch_model.bin").write_bytes(b"code")
    with pytest.raises(
        CheckpointError, match=r"no run of gankit: it has no state.json.*pytorch_model.bin, which is not"
    ):
        gankit.load("hf:other/net")
    assert [call[0] for call in double.calls] == ["list"]


@pytest.mark.parametrize("name", ["hf:", "hf:mine", "hf:a/b/c", "hf:../x", "hf:a/..", "hf:a b/c", "hf:a/b@"])
def test_what_is_no_name(name: str, double: Double) -> None:
    with pytest.raises(DataError, match="USER/NAME"):
        fetch(name)
    assert double.calls == []


CLIENT: Any = import_module(errors.HfHubHTTPError.__bases__[0].__module__.partition(".")[0])
"""httpx, or what a newer huggingface_hub has in its place."""


def refused(status: int) -> Any:
    return CLIENT.Response(status, request=CLIENT.Request("GET", "https://example.org"))


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (errors.RepositoryNotFoundError("x", response=refused(404)), "is not on the Hub, or private"),
        (errors.RevisionNotFoundError("x", response=refused(404)), "no such revision"),
        (errors.GatedRepoError("x", response=refused(403)), "consent"),
        (errors.HfHubHTTPError("x", response=refused(403)), "status 403; `hf auth login`"),
        (errors.LocalTokenNotFoundError("x"), "hf auth login"),
        (CLIENT.ConnectError("no route"), "cannot be reached"),
    ],
)
def test_what_the_hub_says_is_told_in_words(error: Exception, words: str, run: gankit.Model, double: Double) -> None:
    double.fails = error
    with pytest.raises(GankitError, match=words):
        fetch("hf:me/mine")
    with pytest.raises(GankitError, match=words):
        send(run)


def test_the_command_asks(run: gankit.Model, double: Double, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gankit, "load", lambda *_: run, raising=False)
    command = ["push", "run", "me/mine"]
    silent = CliRunner().invoke(app, command)
    assert silent.exit_code == 2 and "say --yes" in silent.stderr and double.calls == []
    sent = CliRunner().invoke(app, [*command, "--yes", "--public"])
    assert sent.exit_code == 0 and sent.stdout == "https://huggingface.co/me/mine\n"
    assert "networks.safetensors" in sent.stderr and double.calls[0] == ("create", "me/mine", False)
    assert CliRunner().invoke(app, ["push", "run", "mine", "--yes"]).exit_code == 2
