"""What the documentation's site has besides the pages of docs/: a hook of mkdocs, named in mkdocs.yml.

- Files of the repository to which pages link (recipes, READMEs of plugins, CONTRIBUTING.md) become pages.
- Every public module gets a page of the reference, which mkdocstrings fills in.
- A link leads to the page of the file that it names, so that one link works on GitHub and on the site.
"""

from __future__ import annotations

import posixpath
import re
from fnmatch import fnmatch
from itertools import groupby
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pymdownx.slugs import slugify

if TYPE_CHECKING:
    from mkdocs.config.defaults import MkDocsConfig
    from mkdocs.structure.files import Files
    from mkdocs.structure.pages import Page

ROOT = Path(__file__).parent.parent
PAGES = ("CONTRIBUTING.md", "CODE_OF_CONDUCT.md", "CHANGELOG.md", "benchmarks/README.md", "benchmarks/NOTES.md")
FENCED = re.compile(r"(^```.*?^```$)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(?<!!)\[([^]]*)\]\((?!\w+:|#)([^)#\s]+)(#[^)\s]*)?\)")


# -- pages -------------------------------------------------------------------------------------------------------------
def pages() -> dict[str, tuple[str, str]]:
    """Place on the site -> (file of the repository, its page in Markdown), of all that does not stand in docs/."""
    found = {path: (path, _text(ROOT / path)) for path in PAGES}
    for path in sorted((ROOT / "plugins").glob("*/README.md")):
        found[f"plugins/{path.parent.name}.md"] = (path.relative_to(ROOT).as_posix(), _text(path))
    for path in sorted((ROOT / "recipes").glob("*.yaml")):
        found[f"recipes/{path.stem}.md"] = (f"recipes/{path.name}", recipe_page(path.stem, _text(path)))
    public = _text(ROOT / "tests" / "test_public_names.txt").split()
    public = sorted((name for name in public if "__" not in name), key=lambda name: name.rpartition("."))
    for module, names in groupby(public, key=lambda name: name.rpartition(".")[0]):
        place = "reference/index.md" if module == "gankit" else f"reference/{module.removeprefix('gankit.')}.md"
        found[place] = (place, module_page(module, list(names)))
    return found


def _text(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def recipe_page(name: str, text: str) -> str:
    return f"# {name}\n\n`gankit recipes copy {name} my.yaml` copies this recipe.\n\n```yaml\n{text}```\n"


def module_page(module: str, names: list[str]) -> str:
    """A public module: its own docstring, then each of its names."""
    own = f"::: {module}\n    options: {{members: false, show_root_heading: false, show_root_toc_entry: false}}"
    return "\n\n".join((f"# {module}", own, *(f"::: {name}" for name in names))) + "\n"


# -- links -------------------------------------------------------------------------------------------------------------
def relinked(markdown: str, source: str, place: str, places: dict[str, str]) -> str:
    """The Markdown of a file of the repository, `source`, as it stands at `place` on the site.

    `places` has the place of every file that has a page. A link to a file without one becomes plain text; one to a
    file that does not exist stays, so that mkdocs refuses it.
    """

    def lead(link: re.Match[str]) -> str:
        target = posixpath.normpath(posixpath.join(posixpath.dirname(source), link[2]))
        home = places.get(target) or places.get(f"{target}/README.md")
        if home is None:
            return link[1] if (ROOT / target).exists() else link[0]
        return f"[{link[1]}]({posixpath.relpath(home, posixpath.dirname(place) or '.')}{link[3] or ''})"

    parts = FENCED.split(markdown)
    parts[::2] = [LINK.sub(lead, text) for text in parts[::2]]
    return "".join(parts)


def expanded(nav: Any, places: list[str]) -> Any:
    """A navigation in which `folder/*` stands for every place in that folder, its index first."""
    if isinstance(nav, dict):
        return {title: expanded(inner, places) for title, inner in nav.items()}
    if not isinstance(nav, list):
        return nav
    result = []
    for entry in nav:
        if isinstance(entry, str) and "*" in entry:
            named = [place for place in places if fnmatch(place, entry)]
            result += sorted(named, key=lambda place: (posixpath.basename(place) != "index.md", place))
        else:
            result.append(expanded(entry, places))
    return result


# -- what mkdocs calls -------------------------------------------------------------------------------------------------
def on_config(config: MkDocsConfig) -> None:
    config.nav = expanded(config.nav, list(pages()))
    config.mdx_configs.setdefault("toc", {})["slugify"] = slugify(case="lower")  # the anchors of GitHub


def on_files(files: Files, config: MkDocsConfig) -> None:
    from mkdocs.structure.files import File

    for place, (_, text) in pages().items():
        files.append(File.generated(config, place, content=text))


def on_page_markdown(markdown: str, page: Page, config: MkDocsConfig, files: Files) -> str:
    place, beside = page.file.src_uri, pages()
    places = {source: home for home, (source, _) in beside.items()} | {"recipes": "recipes.md"}
    places |= {f"docs/{file.src_uri}": file.src_uri for file in files if file.src_uri not in beside}
    source = beside[place][0] if place in beside else f"docs/{place}"
    return relinked(markdown, source, place, places)
