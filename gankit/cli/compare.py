"""`gankit compare`: runs beside one another."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gankit.cli.common import Json, print_json, print_table

if TYPE_CHECKING:
    from gankit.report.compare import Comparison

Html = Annotated[
    Path | None,
    typer.Option(
        "--html",
        metavar="FILE",
        help="Write a page with tables, curves and the same pictures of every run.",
        show_default=False,
    ),
]


def compare(
    runs: Annotated[list[Path], typer.Argument(metavar="RUN", help="Run directories, or folders of runs.")],
    html: Html = None,
    as_json: Json = False,
) -> None:
    """Compare runs: their figures, beside one another and beside trivial answers, and the differences of their recipes.

    Runs that differ only in train.seed and data.seed are one group: its figure is the mean over seeds, with their
    range. Figures are compared only if they have the same test pictures and the same protocol. A run without figures
    is measured.
    """
    import gankit
    from gankit.report.compare import compare as compared

    show(compared(runs, gankit.load), html, as_json)


def show(comparison: Comparison, html: Path | None, as_json: bool = False) -> None:
    """Print a comparison, and write its page where one is wanted."""
    import gankit
    from gankit.report.compare_words import difference_rows, figure_rows, notes

    if html is not None:
        from gankit.report.compare_page import write

        write(comparison, html, gankit.load)
    if as_json:
        return print_json(comparison.as_dict())
    print_table(figure_rows(comparison))
    print("", *notes(comparison), sep="\n")
    if differences := difference_rows(comparison):
        print()
        print_table(differences)
    if html is not None:
        print(f"written: {html}", file=sys.stderr)
