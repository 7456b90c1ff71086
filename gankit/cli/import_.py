"""`gankit import`"""

from __future__ import annotations

from inspect import cleandoc
from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import Sets
from gankit.core.sources import SOURCES


def _known(name: str) -> str:
    if name not in SOURCES:
        from gankit.core.words import suggest

        near = suggest(name, SOURCES)
        hint = f"did you mean {near!r}?" if near else f"the sources are {', '.join(SOURCES)}"
        raise typer.BadParameter(f"no source is called {name!r}; {hint}")
    return name


def _complete(incomplete: str) -> list[tuple[str, str]]:
    return [(name, source.about) for name, source in SOURCES.items() if name.startswith(incomplete)]


def import_(
    source: Annotated[
        str,
        typer.Argument(
            help="The project: " + ", ".join(SOURCES) + ".",
            callback=_known,
            autocompletion=_complete,
            show_default=False,
        ),
    ],
    files: Annotated[
        list[Path],
        typer.Argument(
            metavar="FILE|DIR...", help="Files of weights, or the folder that holds them.", show_default=False
        ),
    ],
    out: Annotated[Path, typer.Option(help="The run directory to write.", show_default=False)],
    epoch: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help="Which epoch to take, if a folder holds several; by default `latest`, else the highest.",
            show_default=False,
        ),
    ] = None,
    keys: Annotated[
        list[str] | None,
        typer.Option(
            "--key",
            metavar="[FILE=]NAME",
            help="Which network to take, if a file holds several, such as g_ema; FILE=NAME is for that file.",
            show_default=False,
        ),
    ] = None,
    sets: Sets = None,
) -> None:
    """Import weights of another project as a run, for `translate`, `evaluate`, `export` and `train --from`.

    Files are .pth, .pt, .ckpt, .bin, .model, .pkl, .pth.tar, .safetensors or .npz; those that hold more than weights
    are refused. The sizes of the networks are read from the weights; what weights do not show is given with --set, as
    method.generator.padding=replicate.
    """
    from gankit.interop.runs import import_run

    run, notes = import_run(source, files, out, sets or (), epoch=epoch, keys=keys or ())
    for note in notes:
        typer.echo(note, err=True)
    typer.echo(run.path)


import_.__doc__ = f"{cleandoc(import_.__doc__ or '')}\n\n" + "\n\n".join(
    f"{name}: {source.about}: {source.files}." for name, source in SOURCES.items()
)
