"""The tutorials, done word for word."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from importlib import metadata
from pathlib import Path

import pytest
import torch
from PIL import Image

from gankit.core.catalogue import catalogue
from tests.cli.test_import import patch, resnet
from tests.installed import Site
from tests.markdown import ROOT
from tests.tutorial import Block, blocks, perform

TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, install: Site) -> Iterator[Path]:
    """A working directory, whose scripts find each other, and where pip puts what it installs, without a network."""
    known = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    settings = {"TARGET": str(install.folder), "NO_DEPS": "1", "NO_INDEX": "1", "NO_BUILD_ISOLATION": "0"}
    for name, value in settings.items():  # 0: pip takes the negation of an option by its name
        monkeypatch.setenv(f"PIP_{name}", value)
    monkeypatch.setenv("PIP_DISABLE_PIP_VERSION_CHECK", "1")
    monkeypatch.setenv("PYTHONPATH", str(install.folder))
    yield tmp_path
    for name in set(sys.modules) - known:
        if Path(getattr(sys.modules[name], "__file__", None) or "/").is_relative_to(tmp_path.parent):
            del sys.modules[name]
    catalogue.cache_clear()  # what the scripts have registered


def their_files(place: Path) -> None:
    """What a training of pytorch-CycleGAN-and-pix2pix leaves: a data set and checkpoints, tiny ones."""
    for folder in ("trainA", "trainB", "testA", "testB"):
        (place / "datasets" / "maps" / folder).mkdir(parents=True)
        for index in range(4 if folder.startswith("train") else 2):
            colour = (40 * index, 120, 200) if folder.endswith("A") else (200, 40 * index, 60)
            Image.new("RGB", (40, 40), colour).save(place / "datasets" / "maps" / folder / f"{index}.png")
    checkpoints = place / "checkpoints" / "maps"
    checkpoints.mkdir(parents=True)
    torch.manual_seed(0)
    for side in "AB":
        torch.save(resnet(4, blocks=2), checkpoints / f"latest_net_G_{side}.pth")
        torch.save(patch(3, 4), checkpoints / f"latest_net_D_{side}.pth")


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_every_step_of_a_tutorial(page: Path, place: Path, install: Site) -> None:
    # not by `find_spec`, by which setuptools takes this process for pip's, and torch's compiler then fails
    if page.stem == "plugin" and not any(metadata.distributions(name="pip")):
        pytest.skip("no pip in this environment")
    if page.stem == "porting":
        their_files(place)
    printed = ""
    for block in blocks(page):
        printed = perform(block, printed)
        if block.text.startswith("pip "):
            install.forget()


def test_text_that_a_command_does_not_print_fails() -> None:
    perform(Block("text", "", "1 passed in ..."), "1  passed in 0.02 s")
    with pytest.raises(AssertionError, match="expected"):
        perform(Block("text", "", "2 passed in ..."), "1 passed in 0.02 s")


def test_a_step_that_is_not_understood_fails() -> None:
    with pytest.raises(AssertionError, match="what is the command rm"):
        perform(Block("sh", "", "rm -r runs"), "")
