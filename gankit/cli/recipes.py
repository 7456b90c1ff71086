"""`gankit recipes`"""

from __future__ import annotations

import itertools
import re
import sys
from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import MARKUP, Json, complete_recipe, print_json, print_table
from gankit.core.document import Text, decode, parse
from gankit.core.errors import RecipeError
from gankit.core.files import write_whole
from gankit.core.library import Shipped, find, shipped

SCHEMA = "recipe.schema.json"
PAPER = re.compile(r" \([^()]*arXiv [\d.]+\)")
"""What a recipe names as its origin."""

app = typer.Typer(
    help="List the recipes that ship, or copy one to change it.",
    invoke_without_command=True,
    add_completion=False,
    rich_markup_mode=MARKUP,
)


@app.callback()
def list_recipes(context: typer.Context, as_json: Json = False) -> None:
    if context.invoked_subcommand:
        return
    rows = [{"name": r.name, **_about(r), "source": r.source, "path": r.path} for r in shipped().values()]
    if as_json:
        print_json(rows)
    else:
        print_table((row["name"], " ".join(filter(None, (row["what"], row["needs"])))) for row in rows)


@app.command()
def copy(
    name: Annotated[str, typer.Argument(metavar="NAME", help="A recipe that ships.", autocompletion=complete_recipe)],
    to: Annotated[
        Path | None,
        typer.Argument(metavar="FILE|DIR", help="The file or folder to copy to; by default NAME.yaml in this folder."),
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite.")] = False,
) -> None:
    """Copy a recipe that ships, so that you can change it.

    Its first line names recipe.schema.json, by which editors complete and check it, where that file lies beside the
    copy: `gankit schema -o recipe.schema.json` writes it.
    """
    source = find(name)
    target = to or Path(".")
    target = target / source.name if target.is_dir() else target
    if target.exists() and not force:
        raise typer.BadParameter(f"{target} exists; --force overwrites it")
    text = source.read_text(encoding="utf-8")
    if not (target.parent / SCHEMA).exists():  # else editors tell of the missing file, not of the recipe
        text = text.removeprefix(f"# yaml-language-server: $schema={SCHEMA}\n")
    write_whole(target, text)
    print(target)


def _about(recipe: Shipped) -> dict[str, str]:
    """`title` of the paper; of the comments that the file begins with, `what` it is and what it `needs`.

    A broken recipe is still listed.
    """
    try:
        text = decode(recipe.path.read_bytes(), recipe.name)
        about = parse(Text(recipe.name, text)).data().get("about")
    except (OSError, RecipeError, AttributeError) as e:
        if isinstance(e, OSError | RecipeError):
            print(f"gankit: {recipe.path}: {e}", file=sys.stderr)
        return {"title": "", "what": "", "needs": ""}
    title = str(about.get("title", "")) if isinstance(about, dict) else ""
    comments = [line.lstrip("# ").rstrip() for line in itertools.takewhile(lambda x: x[:1] == "#", text.splitlines())]
    told = [line for line in comments if not line.startswith("yaml-language-server:")]
    paragraphs = [" ".join(group) for filled, group in itertools.groupby(told, bool) if filled]
    what = PAPER.sub("", paragraphs[0]) if paragraphs else title
    needs = next((p for p in paragraphs if p.startswith("Needs:")), "")
    return {"title": title, "what": what, "needs": " ".join(needs.partition(" Run: ")[0].split())}
