"""`gankit recipes`"""

from __future__ import annotations

import shutil
import sys
from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import MARKUP, Json, complete_recipe, print_json, print_table
from gankit.core.document import Text, decode, parse
from gankit.core.errors import RecipeError
from gankit.core.library import Shipped, find, shipped

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
    rows = [(recipe, _title(recipe)) for recipe in shipped().values()]
    if as_json:
        print_json([{"name": r.name, "title": title, "source": r.source, "path": r.path} for r, title in rows])
    else:
        print_table((r.name, title) for r, title in rows)


@app.command()
def copy(
    name: Annotated[str, typer.Argument(help="A recipe that ships.", autocompletion=complete_recipe)],
    to: Annotated[
        Path | None, typer.Argument(help="The file or folder to copy to; by default NAME.yaml in this folder.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Overwrite.")] = False,
) -> None:
    """Copy a recipe that ships, so that you can change it."""
    source = find(name)
    target = to or Path(".")
    target = target / source.name if target.is_dir() else target
    if target.exists() and not force:
        raise typer.BadParameter(f"{target} exists; --force overwrites it")
    shutil.copyfile(source, target)
    print(target)


def _title(recipe: Shipped) -> str:
    """`about.title` of the file; a broken recipe is still listed."""
    try:
        data = parse(Text(recipe.name, decode(recipe.path.read_bytes(), recipe.name))).data()
        return str(data["about"]["title"])
    except (OSError, RecipeError, KeyError, TypeError) as e:
        if isinstance(e, OSError | RecipeError):
            print(f"gankit: {recipe.path}: {e}", file=sys.stderr)
        return ""
