"""`gankit show`"""

from __future__ import annotations

import json
from dataclasses import asdict
from typing import Annotated

import typer

from gankit.cli.common import Json, complete_component, complete_kind, print_json, print_table
from gankit.core.listing import Details, details, named


def show(
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAME",
            help="The name of a part, as `adalin`, `loss:cam` or `gankit-cut/patchnce`.",
            autocompletion=complete_component,
        ),
    ],
    kind: Annotated[str | None, typer.Option(help="Show this kind only.", autocompletion=complete_kind)] = None,
    as_json: Json = False,
) -> None:
    """Show a part: what it does, its parameters with types and defaults, its paper, and where it comes from."""
    parts = [details(entry) for entry in named(f"{kind}:{name}" if kind else name)]
    if as_json:
        return print_json([asdict(d) for d in parts])
    for i, part in enumerate(parts):
        print("\n" * bool(i), end="")
        _print(part)


def _print(part: Details) -> None:
    print(f"{part.kind} {part.name}: {part.summary}")
    print(f"from {part.source}, {part.target}")
    for paper in part.arxiv:
        print(f"paper https://arxiv.org/abs/{paper}")
    if part.parameters:
        print("\nParameters")
        print_table(((p.name, _default(p.required, p.default), p.type) for p in part.parameters), indent=2)
    if part.doc:
        print(f"\n{part.doc}")


def _default(required: bool, default: object) -> str:
    if required:
        return "(required)"
    if isinstance(default, dict) and set(default) == {"type"}:
        default = default["type"]
    return json.dumps(default, ensure_ascii=False) if not isinstance(default, str) else default
