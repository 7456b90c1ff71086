"""`gankit report`: one HTML file that shows all of a run."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer


def report(run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)]) -> None:
    """Write report.html of a run: figures, curves, sample grids and the complete recipe, in one file."""
    from gankit.report.page import write

    typer.echo(write(run))
