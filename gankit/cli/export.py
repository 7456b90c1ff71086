"""`gankit export`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gankit.cli.common import Checkpoint


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)],
    to: Annotated[
        Literal["onnx", "torch-export", "safetensors", "hub-folder"],
        typer.Option(help="The form to write.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="The file or folder to make.", show_default=False)],
    direction: Annotated[str, typer.Option(help="a2b or b2a; the method's first one if not given.")] = "",
    pictures: Annotated[
        list[Path] | None, typer.Option(help="Pictures or folders to compare on; drawn ones if not given.")
    ] = None,
    licence: Annotated[str, typer.Option(help="For the model card, as of the weights and the data.")] = "unknown",
    checkpoint: Checkpoint = "last",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Write a run for other programs: ONNX, torch.export, safetensors, or a folder with a model card.

    What was written is read back and must give the run's own pictures; the largest difference is printed, and one
    above 0.001 of [-1, 1] ends in exit code 1 with nothing written. Graphs take any batch and any size from
    `smallest_side` of their metadata on, and pad and crop by themselves. onnx needs pip install 'gankit[export]'.
    """
    import gankit
    from gankit.interop.export import export as write

    exported = write(
        gankit.load(run, "cpu", checkpoint),
        to,
        out,
        direction or None,
        pictures=pictures or (),
        licence=licence,
        overwrite=overwrite,
    )
    typer.echo(f"largest difference from the run {exported.difference:.1e} of [-1, 1] ({exported.on})", err=True)
    typer.echo(exported.path)
