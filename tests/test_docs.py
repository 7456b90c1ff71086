"""The documentation is what the code says, and what it shows runs."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from markdown_it import MarkdownIt
from PIL import Image

import gankit
from gankit.core.catalogue import catalogue
from gankit.core.recipe import Recipe
from scripts import reference
from tests.core.test_layers import ORDER
from tests.markdown import ROOT, blocks, commands, gankit_commands, parse, play, recipes
from tests.training.tiny import AGIT, FEW, MUNIT, STYLED, recipe

PAGES = sorted((ROOT / "docs").glob("*.md"))
LINK = re.compile(r"\[[^]]*\]\(([^)\s]+)\)")
PROGRAMS = {"gankit", "torchrun", "accelerate", "tensorboard", "python", "pytest", "pip"}


def name(page: Path) -> str:
    return page.stem


pages = pytest.mark.parametrize("page", PAGES, ids=name)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs of a few steps, by name."""
    runs = tmp_path_factory.mktemp("docs")
    gankit.train(recipe(AGIT | {"generator": FEW}, name="demo", steps=2), runs / "demo")
    shutil.copytree(runs / "demo", runs / "agit")
    gankit.train(recipe(MUNIT, STYLED, name="munit", steps=1), runs / "munit")
    return runs


@pytest.fixture
def place(trained: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A working directory with what the pages speak of."""
    shutil.copytree(trained, tmp_path / "runs")
    (tmp_path / "pictures").mkdir()
    for i, path in enumerate(("photo.jpg", "edge.png", "shoe.jpg", *(f"pictures/{i}.png" for i in range(6)))):
        Image.new("RGB", (20, 16), (200, 120, 40 + i)).save(tmp_path / path)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    catalogue.cache_clear()  # what the pages have registered


@pages
def test_generated_parts_are_what_the_code_says(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert text == reference.rewritten(text), "run `python scripts/reference.py`"


@pytest.mark.parametrize(
    "page", [*ROOT.glob("docs/**/*.md"), *ROOT.glob("*.md"), *ROOT.glob("plugins/*/*.md")], ids=str
)
def test_links_lead_somewhere(page: Path) -> None:
    lost = []
    for link in LINK.findall(page.read_text(encoding="utf-8")):
        path, _, anchor = link.partition("#")
        target = (page.parent / path).resolve() if path else page
        if link.startswith(("http://", "https://")):
            continue
        if not target.exists() or (anchor and anchor not in anchors(target)):
            lost.append(link)
    assert not lost


@pytest.mark.parametrize("page", [*ROOT.glob("docs/**/*.md"), ROOT / "README.md"], ids=lambda page: page.name)
def test_tables_are_tables_when_rendered(page: Path) -> None:
    rendered = MarkdownIt("commonmark").enable("table").parse(page.read_text(encoding="utf-8"))
    raw = [token.content for token in rendered if token.type == "inline" and token.content.lstrip().startswith("|")]
    assert not raw, "a blank line stands in a table, or its head has another number of columns"


def anchors(page: Path) -> set[str]:
    heads = re.findall(r"^#+ (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).replace(" ", "-") for head in heads}


@pages
def test_commands(page: Path, place: Path) -> None:
    assert {words[0] for words in commands(page)} <= PROGRAMS
    for arguments in gankit_commands(page):
        parse(arguments) if page.stem == "plugins" else play(arguments)  # a plugin may not be installed here


@pages
def test_recipes(page: Path) -> None:
    for given in recipes(page):
        Recipe.load(given if "gankit" in given else {**recipe(), **given})


@pytest.mark.parametrize("page", [page for page in PAGES if page.stem != "plugins"], ids=name)
def test_python(page: Path, place: Path) -> None:
    """But for the page on plugins, whose excerpts are gankit-r3gan's own files."""
    names: dict[str, Any] = {"__name__": page.stem}
    for text in blocks(page, "python"):
        exec(compile(text, page.name, "exec"), names)


# -- the house ---------------------------------------------------------------------------------------------------------
HOUSE = (ROOT / "docs" / "architecture.md", ROOT / "CONTRIBUTING.md")


def test_the_map_has_every_unit_in_its_order() -> None:
    table = HOUSE[0].read_text(encoding="utf-8").partition("| unit | what |")[2].partition("\n\n")[0]
    units = tuple(re.findall(r"^\| `(\w+)` \|", table, re.MULTILINE))
    assert units == ORDER, f"{HOUSE[0]}: its table of units is that of tests/core/test_layers.py, in its order"


@pytest.mark.parametrize("page", HOUSE, ids=name)
def test_files_that_are_named_are_there(page: Path) -> None:
    named = set(re.findall(r"`([\w.]+/[\w./]*|[\w./]+\.(?:py|md|txt))`", page.read_text(encoding="utf-8")))
    named -= {"recipes/NAME.yaml", "__init__.py"}
    assert len(named) > 20
    assert not [path for path in named if not (ROOT / path).exists() and not (ROOT / "gankit" / path).exists()]
