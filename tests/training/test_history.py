"""history.json: how each training of a run was started."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

import gankit
from gankit.report.page import write
from gankit.training import history
from gankit.training.run import Run
from tests.training.tiny import recipe


def test_each_training_is_written_down(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "argv", ["/somewhere/bin/gankit", "train", "two words"])
    gankit.train(recipe(steps=1), tmp_path / "run")
    gankit.train(recipe(steps=2), tmp_path / "run", resume=True)
    first, second = history.read(Run(tmp_path / "run"))
    assert (first["from_step"], second["from_step"]) == (0, 1)
    assert first["command"] == "gankit train 'two words'" and first["device"] == "cpu" and first["processes"] == 1
    page = write(tmp_path / "run").read_text()
    assert "How it was made" in page and "gankit train &#x27;two words&#x27;" in page and "learning rates" in page


@pytest.mark.parametrize("content", ["", "[", "{}", "[1]", '[{"date": 3}]', "\xff"])
def test_a_damaged_history_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "history.json").write_bytes(content.encode("latin-1"))
    assert history.read(Run(tmp_path)) == []


def test_what_is_no_text_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "history.json").write_text(json.dumps([{"date": "2026-01-01", "command": ["x"]}]))
    assert history.read(Run(tmp_path)) == [{"date": "2026-01-01"}]


def test_the_commit(tmp_path: Path) -> None:
    assert history.commit_of(tmp_path) == "" == history.commit_of(tmp_path / "none")

    def git(*words: str) -> str:
        who = ["-c", "user.name=x", "-c", "user.email=x@example.org", "-c", "commit.gpgsign=false"]
        done = subprocess.run(["git", "-C", tmp_path, *who, *words], capture_output=True, text=True, check=True)
        return done.stdout.strip()

    git("init", "-q")
    (tmp_path / "a").write_text("1")
    git("add", "a")
    git("commit", "-qm", "x")
    commit = git("rev-parse", "HEAD")
    git("tag", "v1")
    assert history.commit_of(tmp_path) == commit
    (tmp_path / "a").write_text("2")
    assert history.commit_of(tmp_path) == f"{commit}-dirty"


def test_git_may_be_absent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "")
    assert history.commit_of(tmp_path) == ""
