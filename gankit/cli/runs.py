"""`gankit runs`"""

from __future__ import annotations

import sys
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gankit.cli.common import Json, print_json, print_table

if TYPE_CHECKING:
    from gankit.report.listing import Listed

FOLDER = Path("runs")


def runs(
    folder: Annotated[Path, typer.Argument(metavar="[DIR]", help="A folder of runs, or a run.")] = FOLDER,
    as_json: Json = False,
) -> None:
    """List the runs of a folder: method, steps done, best or last figure, date, size on disk.

    Runs in its subfolders are listed too. A damaged run is listed with what is wrong, and does not hide the
    others. The figure is the first one of evaluation.json (`last`), else the best that was measured while training.
    """
    if folder == FOLDER and not folder.exists():
        print("there is no folder `runs` here yet: `gankit train RECIPE` makes it", file=sys.stderr)
        return print_json([]) if as_json else None
    from gankit.core.errors import printable, short
    from gankit.report.listing import listing

    found = listing(folder)
    if as_json:
        return print_json([asdict(run) for run in found])
    for run in found:
        if run.fault:
            print(f"gankit: {printable(short(run.fault, 1000))}", file=sys.stderr)
    if not found:
        print(f"there are no runs in {printable(str(folder))}", file=sys.stderr)
        return None
    head = ("run", "method", "steps", "figure", "date", "size")
    print_table([head, *(_row(run, folder) for run in found)])


def _row(run: Listed, folder: Path) -> tuple[str, ...]:
    from gankit.core.errors import printable
    from gankit.report.page import number

    steps = f"{run.step:,}" if run.steps is None else f"{run.step:,} of {run.steps:,}"
    f = run.figure
    figure = f"{f.metric} {f.direction} {number(f.value)} {f.unit} ({f.which})" if f else "-"
    path = "." if run.path == folder else run.path.relative_to(folder)
    method = "damaged" if run.fault and not run.method else run.method
    return (
        printable(str(path)),
        printable(method),
        steps,
        printable(" ".join(figure.split())),
        run.date,
        _size(run.size),
    )


def _size(count: int) -> str:
    size = float(count)
    for unit in ("B", "kB", "MB"):
        if size < 1000:
            return f"{size:.0f} {unit}"
        size /= 1000
    return f"{size:.1f} GB"
