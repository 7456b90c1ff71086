"""The documentation as a site: its pages, its links, and Markdown that means the same on GitHub and there."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import markdown
import pytest
import yaml
from markdown_it import MarkdownIt

from scripts import site_pages
from tests.markdown import ROOT

CONFIG: dict[str, Any] = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
DOCS = {path.relative_to(ROOT / "docs").as_posix() for path in (ROOT / "docs").rglob("*.md")}
FILES = sorted([*(ROOT / "docs").rglob("*.md"), *ROOT.glob("*.md"), *ROOT.glob("plugins/*/README.md")])
TAGS = ("a", "code", "em", "h1", "h2", "h3", "h4", "img", "li", "ol", "pre", "strong", "table", "ul")


def places(nav: Any) -> list[str]:
    if isinstance(nav, str):
        return [nav]
    inner = nav.values() if isinstance(nav, dict) else nav
    return [place for one in inner for place in places(one)]


def test_the_navigation_has_every_page_once() -> None:
    found = places(site_pages.expanded(CONFIG["nav"], list(site_pages.pages())))
    assert sorted(found) == sorted(DOCS | site_pages.pages().keys()), "mkdocs.yml: `nav` names every page, once"


def test_every_public_name_is_in_the_reference() -> None:
    text = "\n".join(text for place, (_, text) in site_pages.pages().items() if place.startswith("reference/"))
    named = set(re.findall(r"^::: (\S+)$", text, re.MULTILINE))
    public = (ROOT / "tests" / "test_public_names.txt").read_text(encoding="utf-8").split()
    assert named >= {name for name in public if "__" not in name} | {"gankit", "gankit.losses"}


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_a_page_is_the_same_on_github_and_on_the_site(path: Path) -> None:
    """Python-Markdown, which mkdocs uses, wants a blank line before a list, four spaces within one, and more."""
    text = path.read_text(encoding="utf-8")
    text = re.sub(r'^```(\w+) title=".*"$', r"```\1", text, flags=re.MULTILINE)
    extensions = [one if isinstance(one, str) else next(iter(one)) for one in CONFIG["markdown_extensions"]]
    extensions = ["fenced_code" if one == "pymdownx.superfences" else one for one in extensions]
    there = markdown.markdown(text, extensions=[one for one in extensions if one != "pymdownx.highlight"])
    here = MarkdownIt("commonmark", {"html": True}).enable("table").render(text)
    count = {tag: tuple(len(re.findall(rf"<{tag}[ >]", html)) for html in (here, there)) for tag in TAGS}
    assert not {tag: pair for tag, pair in count.items() if pair[0] != pair[1]}
    assert (r"\|" in here) == (r"\|" in there), r"in code of a table, Python-Markdown shows `\|` as it is written"


# -- links -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "source, place, text, result",
    [
        ("docs/index.md", "index.md", "[a](runs.md#resume)", "[a](runs.md#resume)"),
        ("docs/index.md", "index.md", "[`agit`](../recipes/agit.yaml)", "[`agit`](recipes/agit.md)"),
        ("docs/t/norm.md", "t/norm.md", "[a](../../plugins/gankit-cut)", "[a](../plugins/gankit-cut.md)"),
        ("CONTRIBUTING.md", "CONTRIBUTING.md", "[a](docs/runs.md#resume)", "[a](runs.md#resume)"),
        ("plugins/gankit-cut/README.md", "plugins/gankit-cut.md", "see [a](pyproject.toml).", "see a."),
        ("docs/index.md", "index.md", "[a](../gone.md)", "[a](../gone.md)"),  # mkdocs refuses it
        ("docs/index.md", "index.md", "[a](https://b/c) [d](#e)", "[a](https://b/c) [d](#e)"),
        ("docs/index.md", "index.md", "![a](images/demo.png)", "![a](images/demo.png)"),
        ("docs/index.md", "index.md", "```\n[a](../LICENSE)\n```", "```\n[a](../LICENSE)\n```"),
    ],
)
def test_links_lead_to_pages_of_the_site(source: str, place: str, text: str, result: str) -> None:
    homes = {path: home for home, (path, _) in site_pages.pages().items()} | {"docs/runs.md": "runs.md"}
    assert site_pages.relinked(text, source, place, homes) == result


def test_a_pattern_of_the_navigation_gives_the_index_first() -> None:
    nav = [{"Start": ["index.md", {"API": ["reference/*"]}]}]
    found = site_pages.expanded(nav, ["reference/api.md", "reference/index.md", "recipes/agit.md"])
    assert found == [{"Start": ["index.md", {"API": ["reference/index.md", "reference/api.md"]}]}]
