"""One plugin with a part of every kind, a recipe and a command, through public names alone."""

from __future__ import annotations

import ast
from pathlib import Path

import numpy as np
import pytest
import yaml
from typer.testing import CliRunner

import gankit
from gankit.cli.main import app
from gankit.core.catalogue import catalogue
from gankit.core.registry import KINDS
from gankit.interop import graph
from gankit.testing import check_component
from tests.installed import Site
from tests.test_public_names import RECORDED

SOURCE = Path(__file__).parent / "thermal" / "pp_thermal"
SOURCES = {path.name: path.read_text() for path in SOURCE.iterdir() if path.is_file()}
PARTS = {
    "generator": "thermal",
    "discriminator": "thermal",
    "attention": "warmest",
    "norm": "hourly",
    "backbone": "bands",
    "loss": "thermal_bands",
    "method": "thermal",
    "dataset": "thermal",
    "codec": "decikelvin",
    "metric": "kelvin",
    "optimizer": "lion",
    "schedule": "sawtooth",
    "augment": "mirrored",
    "callback": "ledger",
}


@pytest.fixture
def thermal(install: Site, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The plugin installed, and a folder with its files: everything gets warmer by two kelvin an hour."""
    install("pp-thermal", SOURCES["__init__.py"], files={k: v for k, v in SOURCES.items() if k != "__init__.py"})
    draws = np.random.default_rng(0)
    for part in ("train", "test"):
        (tmp_path / "temperatures" / part).mkdir(parents=True)
        for number in range(6):
            hours, before = number % 3 + 1, draws.uniform(270, 300, (16, 16)).cumsum(1) / np.arange(1, 17)
            for side, kelvin in (("a", before), ("b", before + 2 * hours)):
                values = np.asarray([16, 16, *(kelvin * 10).round().ravel()], "<u2")
                values.tofile(tmp_path / "temperatures" / part / f"{number}.{hours}.{side}.dk")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_kind_is_there() -> None:
    assert set(PARTS) == set(KINDS)


def test_it_imports_public_names_alone() -> None:
    used: set[str] = set()
    for text in (text for name, text in SOURCES.items() if name.endswith(".py")):
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("gankit"):
                used |= {f"{node.module}.{name.name}" for name in node.names}
    assert len(used) > 15 and used <= set(RECORDED)


@pytest.mark.parametrize("kind", PARTS)
def test_it_conforms(kind: str, thermal: Path) -> None:
    arguments = {"root": str(thermal / "temperatures")} if kind == "dataset" else {}
    check_component(kind, PARTS[kind], overrides=arguments)


def run(*arguments: str) -> str:
    result = CliRunner().invoke(app, list(arguments))
    assert result.exit_code == 0, result.output
    return result.output


def test_its_recipe_is_trained_and_used(thermal: Path) -> None:
    assert all(PARTS[kind] in {entry.name for entry in catalogue().entries(kind)} for kind in PARTS)
    run("build", "thermal", "--check")
    run("train", "thermal", "--out", "run", "--device", "cpu")
    assert [line.split()[:2] for line in Path("run/ledger.txt").read_text().splitlines()] == [["1", "2"], ["2", "4"]]
    stored = yaml.safe_load(Path("run/recipe.yaml").read_text())
    assert stored["versions"]["pp-thermal"] == "1.2"
    run("translate", "run", "temperatures/test/0.1.a.dk", "--given", "hours=1", "--out", "out")
    values = np.fromfile("out/0.1.a.dk", "<u2")
    assert values[:2].tolist() == [16, 16] and 2500 <= values[2:].min() <= values[2:].max() <= 3200
    found = gankit.evaluate("run", device="cpu")
    assert found["kelvin"].unit == "K" and 0 < (found["kelvin"].value or 0) < 70
    run("train", "run/recipe.yaml", "--out", "run", "--resume", "--set", "train.steps=6", "--device", "cpu")
    assert Path("run/ledger.txt").read_text().splitlines()[-1].split()[:2] == ["3", "6"]
    if not graph.too_old():
        run("export", "run", "--to", "torch-export", "--out", "exported.pt2")
    assert run("thermometer", "out/0.1.a.dk").endswith(" K\n")
