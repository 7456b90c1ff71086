"""`gankit schema`"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import print_json
from gankit.core.files import write_whole


def schema(
    out: Annotated[
        Path | None, typer.Option("--out", "-o", help="Write the schema to this file instead of to stdout.")
    ] = None,
) -> None:
    """Print the JSON Schema of recipes, with which editors complete and check them."""
    from gankit.core.jsonschema import recipe_schema

    definition, left_out = recipe_schema()
    for line in left_out:
        print(f"gankit: left out of the schema: {line}", file=sys.stderr)
    if out is None:
        print_json(definition)
    else:
        write_whole(out, json.dumps(definition, indent=2, ensure_ascii=False) + "\n")
