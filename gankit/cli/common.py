"""What several commands share: options, completion, output."""

from __future__ import annotations

import json
import shutil
import sys
import textwrap
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

LEAST = 30
"""Letters that the last column of a table has room for."""
MARKUP = None
"""Help is plain text: rich would take `gankit[export]` in it for markup, and leave it out."""


def complete_component(incomplete: str) -> list[tuple[str, str]]:
    """Names for the shell; imports no component."""
    from gankit.core.listing import components

    return [(c.name, f"{c.kind}: {c.summary}") for c in components() if c.name.startswith(incomplete)]


def complete_kind(incomplete: str) -> list[str]:
    from gankit.core.registry import KINDS

    return [kind for kind in KINDS if kind.startswith(incomplete)]


def complete_recipe(incomplete: str) -> list[str]:
    from gankit.core.library import shipped

    return [name for name in shipped() if name.startswith(incomplete)]


RecipeArgument = Annotated[
    str,
    typer.Argument(
        metavar="RECIPE", help="A YAML file, or the name of a recipe that ships.", autocompletion=complete_recipe
    ),
]
Sets = Annotated[
    list[str] | None,
    typer.Option("--set", metavar="KEY=VALUE", help="Change a key of the recipe, as method.generator.blocks=6."),
]
Checkpoint = Annotated[
    str,
    typer.Option(
        metavar="last|best|STEP", help="The checkpoint to use; `best` is the one that the callback `best` has kept."
    ),
]
Json = Annotated[bool, typer.Option("--json", help="Print JSON.")]


def print_json(value: object) -> None:
    """To stdout; what is no JSON (a path, say) as text."""
    text = json.dumps(value, indent=2, ensure_ascii=False, default=str)
    print(text.encode(errors="backslashreplace").decode())  # names of files may hold bytes that are not text


def tell_whole(command: Any) -> None:
    """Have lists of commands show all of the first paragraph of a command's help; otherwise it ends in `...`."""
    command.short_help = " ".join((command.help or "").partition("\n\n")[0].split())
    for below in command.commands.values() if isinstance(command, TyperGroup) else ():
        tell_whole(below)


def print_table(rows: Iterable[Sequence[object]], indent: int = 0) -> None:
    """Aligned columns. On a terminal the last one is wrapped, without breaking words, together with those before it
    that would leave it too little room."""
    table = [[str(cell) for cell in row] for row in rows]
    if not table:
        return
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    wide = shutil.get_terminal_size().columns if sys.stdout.isatty() else sys.maxsize
    own = len(widths) - 1
    while own > 1 and indent + sum(widths[:own]) + 2 * own + LEAST > wide:
        own -= 1
    start = indent + sum(widths[:own]) + 2 * own
    for row in table:
        head = " " * indent + "".join(f"{cell:<{width}}  " for cell, width in zip(row[:own], widths, strict=False))
        lines = [row[-1]]
        if wide < sys.maxsize:
            rest = (
                "".join(f"{cell:<{width}}  " for cell, width in zip(row[own:-1], widths[own:], strict=False)) + row[-1]
            )
            lines = textwrap.wrap(rest, max(wide - start, LEAST), break_long_words=False, break_on_hyphens=False)
        print((head + ("\n" + " " * start).join(lines or [""])).rstrip())
