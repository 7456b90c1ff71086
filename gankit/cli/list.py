"""`gankit list`"""

from __future__ import annotations

from dataclasses import asdict
from itertools import groupby
from typing import Annotated

import typer

from gankit.cli.common import Json, complete_kind, print_json, print_table
from gankit.core.listing import Component, components
from gankit.core.registry import BUILTIN


def list_(
    kind: Annotated[
        str | None, typer.Argument(metavar="KIND", help="Show this kind only.", autocompletion=complete_kind)
    ] = None,
    as_json: Json = False,
) -> None:
    """List the parts that a recipe can name."""
    parts = components(kind)
    if as_json:
        return print_json([asdict(c) for c in parts])
    for group, members in groupby(parts, key=lambda c: c.kind):
        print(group)
        print_table(((c.name, _summary(c)) for c in members), indent=2)


def _summary(component: Component) -> str:
    return component.summary if component.source == BUILTIN else f"{component.summary}  [{component.source}]"
