"""README: its commands, its recipe, its Python."""

from __future__ import annotations

import re
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
import yaml
from PIL import Image

import gankit
from gankit.core.catalogue import catalogue
from gankit.core.recipe import Recipe
from gankit.testing import check_component
from tests.markdown import ROOT, blocks, commands, gankit_commands, parse, play, recipes
from tests.training.tiny import recipe

README = ROOT / "README.md"


@pytest.fixture
def notebook() -> Iterator[dict[str, Any]]:
    yield {"__name__": "notebook"}
    catalogue.cache_clear()  # what it has registered


def test_the_two_commands() -> None:
    """.ci/run takes them from here."""
    setup, tests = [block.strip() for block in blocks(README, "sh")][:2]
    assert setup == "python3 -m venv .venv && .venv/bin/pip install -e '.[dev]' && .venv/bin/gankit train demo"
    assert tests == ".venv/bin/pytest -n 2"
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert "dev" in project["optional-dependencies"] and "gankit" in project["scripts"]
    parse(["train", "demo"])


def test_the_other_commands(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    gankit.train(recipe(steps=1), "runs/agit")
    Image.new("RGB", (20, 16)).save("photo.jpg")
    assert {words[0] for words in commands(README)[2:]} == {"gankit"}
    for arguments in gankit_commands(README):
        play(arguments)
    assert Path("translated/photo.png").is_file()


def test_the_recipe_builds() -> None:
    (given,) = recipes(README)
    narrow = ["method.generator.channels=4", "method.discriminator.channels=4"]
    method = gankit.build(Recipe.load(given, narrow))
    assert {type(m).__name__ for m in method.network("generator", "a2b").modules()} >= {"AdaLIN", "CAM"}


def test_the_research_example(notebook: dict[str, Any], capsys: pytest.CaptureFixture[str]) -> None:
    example = blocks(README, "python")[0]
    assert len(re.findall(r"^(?:from|import) gankit", example, re.MULTILINE)) <= 5
    torch.manual_seed(0)
    exec(example, notebook)
    assert len(capsys.readouterr().out.splitlines()) == 2
    assert notebook["picture"].shape == (4, 3, 32, 32) and notebook["attention"].shape == (4, 1, 32, 32)
    losses = notebook["stepper"].step(notebook["batch"])
    terms = {f"generator/{name}/{d}" for name in ("gan", "cycle", "cam", "edges") for d in ("a2b", "b2a")}
    assert set(losses) == terms | {"discriminator/gan/a2b", "discriminator/gan/b2a"}
    assert all(value > 0 for value in losses.values())


def test_a_part_of_one_s_own(notebook: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> None:
    _, registered, plugin = blocks(README, "python")
    exec(registered, notebook)
    norms = [m for m in notebook["method"].modules() if isinstance(m, notebook["RootMeanSquare"])]
    assert len(norms) == 2 * (1 + 2 + 18 + 2)  # each of two generators: stem, halvings, nine blocks, doublings
    monkeypatch.setitem(sys.modules, "notebook", SimpleNamespace(**notebook))  # where pickle finds the class
    assert not check_component("norm", "root_mean_square").failed
    exec(plugin, notebook)
    added: list[tuple[str, ...]] = []
    notebook["gankit_components"](lambda *row: added.append(row))
    assert [row[:2] for row in added] == [("norm", "root_mean_square")]


def test_one_version() -> None:
    citation = yaml.safe_load((ROOT / "CITATION.cff").read_text())
    released = re.findall(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert citation["version"] == released[0] == gankit.__version__


def test_the_licence_ships() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    assert project["license"] == "Apache-2.0"
    assert "Apache License" in (ROOT / "LICENSE").read_text()[:200]
