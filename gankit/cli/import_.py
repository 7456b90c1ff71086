"""`gankit import`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gankit.cli.common import Sets


def import_(
    kind: Annotated[
        Literal["junyanz", "ugatit"],
        typer.Argument(help="junyanz: pytorch-CycleGAN-and-pix2pix; ugatit: UGATIT-pytorch.", show_default=False),
    ],
    files: Annotated[list[Path], typer.Argument(help="Files of weights, or their folder.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The run directory to make.", show_default=False)],
    sets: Sets = None,
) -> None:
    """Turn weights of another project into a run directory, for `gankit translate` and `gankit evaluate`.

    junyanz: latest_net_G_A.pth, G_B, and D_A, D_B where they are there; or latest_net_G.pth, and D. A generator without
    its opposite gives a run of one direction. ugatit: the one file of all six networks. Both as .pth, .pt or
    .safetensors; files that hold more than weights are refused. --set says what weights do not tell, as
    method.generator.padding=replicate.
    """
    from gankit.interop.runs import import_run

    run, notes = import_run(kind, files, out, sets or ())
    for note in notes:
        typer.echo(note, err=True)
    typer.echo(run.path)
