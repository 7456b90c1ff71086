"""`gankit data fetch`: a public data set, after its size, checksum and terms were told."""

from __future__ import annotations

import shlex
import sys
import textwrap
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from gankit.cli.common import Json, print_json, print_table
from gankit.core.errors import printable

if TYPE_CHECKING:
    from gankit.data.sets import PublicSet


def complete_set(incomplete: str) -> list[tuple[str, str]]:
    from gankit.data.sets import SETS

    return [(s.name, f"{s.a}, {s.b}, {s.megabytes}") for s in SETS.values() if s.name.startswith(incomplete)]


def fetch(
    name: Annotated[
        str | None,
        typer.Argument(
            metavar="NAME",
            help="A data set; without one, all are listed.",
            autocompletion=complete_set,
            show_default=False,
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(metavar="DIR", help="A new folder.", show_default="datasets/NAME")] = None,
    yes: Annotated[bool, typer.Option("--yes", "-y", help="Fetch without asking.")] = False,
    archive: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE.zip", help="Use an archive that is on this machine; it is checked too.", show_default=False
        ),
    ] = None,
    mirror: Annotated[
        str | None,
        typer.Option(
            metavar="URL",
            help="Another place with NAME.zip: https://..., or file:///folder. GANKIT_DATASETS sets it permanently.",
            show_default=False,
        ),
    ] = None,
    as_json: Json = False,
) -> None:
    """Fetch a public data set, after showing its size, its SHA-256 and what is known of its terms.

    The same command continues a transfer that broke off. The archive is checked before it is unpacked, and
    removed afterwards; the folder appears whole or not at all.
    """
    from gankit.data import fetching, sets

    if name is None:
        return _list(list(sets.SETS.values()), as_json)
    known = sets.named(name)
    folder = Path("datasets") / name if out is None else out.expanduser()
    archive = archive.expanduser() if archive else None
    urls = sets.addresses(known, mirror)
    fetching.refuse(known, folder, urls, archive)
    _tell(known, folder, [str(archive)] if archive else urls)
    if not yes:
        if not sys.stdin.isatty():
            raise typer.BadParameter("there is nobody to ask: say --yes to fetch it", param_hint="--yes")
        typer.confirm("Fetch it?", abort=True, err=True)
    try:
        with _Bar(known.size) as bar:
            count = fetching.fetch(known, folder, urls, archive, bar)
    except KeyboardInterrupt:
        raise KeyboardInterrupt("the same command goes on with what has come") from None
    if as_json:
        return print_json({"name": known.name, "folder": folder, "files": count, "sha256": known.sha256})
    print(printable(str(folder)))
    place = shlex.quote(str(folder))
    hints = (f"gankit data inspect {place}", f"gankit train cyclegan --set data.root={place}")
    print(f"{count} files. What may come next:", *(f"  {printable(hint)}" for hint in hints), sep="\n", file=sys.stderr)


def _list(known: Sequence[PublicSet], as_json: bool) -> None:
    if as_json:
        return print_json([vars(one) for one in known])
    print_table([("data set", "size", "a, b"), *((s.name, s.megabytes, f"{s.a}, {s.b}") for s in known)])
    print("gankit data fetch NAME tells the terms of one, asks, and fetches it.", file=sys.stderr)


def _tell(known: PublicSet, folder: Path, places: Sequence[str]) -> None:
    """All that has to be known before."""
    unstated = "Nobody states a licence for the set as a whole: look whether it allows what you want to do."
    rows = [
        ("from", " or ".join(places)),
        ("sha256", known.sha256),
        ("terms", f"{known.terms}. {unstated}"),
        ("into", str(folder)),
    ]
    print(f"{known.name}: {known.a}, {known.b}; {known.size} bytes ({known.megabytes})", file=sys.stderr)
    for head, text in rows:
        lines = textwrap.wrap(printable(text), 68, break_long_words=False, break_on_hyphens=False)
        print(f"  {head:<8}" + f"\n{'':<10}".join(lines), file=sys.stderr)


class _Bar:
    """Progress, on a terminal."""

    def __init__(self, size: int) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, DownloadColumn, Progress, TimeRemainingColumn, TransferSpeedColumn

        console = Console(stderr=True)
        columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
        self._progress = Progress(*columns, console=console, transient=True, disable=not console.is_terminal)
        self._task = self._progress.add_task("", total=size)

    def __enter__(self) -> _Bar:
        self._progress.start()
        return self

    def __call__(self, done: int) -> None:
        self._progress.update(self._task, completed=done)

    def __exit__(self, *_: object) -> None:
        self._progress.stop()
