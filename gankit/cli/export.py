"""`gankit export`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gankit.cli.common import Checkpoint


def export(
    run: Annotated[Path, typer.Argument(help="A run directory.", show_default=False)],
    to: Annotated[
        Literal["onnx", "torch-export", "safetensors", "hub-folder", "web"],
        typer.Option(help="The form to write.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="The file or folder to make.", show_default=False)],
    direction: Annotated[str, typer.Option(help="a2b or b2a; the method's first one if not given.")] = "",
    pictures: Annotated[
        list[Path] | None, typer.Option(help="Pictures or folders to compare on; drawn ones if not given.")
    ] = None,
    licence: Annotated[str, typer.Option(help="For the model card, as of the weights and the data.")] = "unknown",
    runtime: Annotated[
        Path | None,
        typer.Option(help="With web: a folder with onnxruntime-web's files, to copy; else the page fetches them."),
    ] = None,
    checkpoint: Checkpoint = "last",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Write a run for other programs: ONNX, torch.export, safetensors, a folder with a model card, a web page.

    What was written is read back and must give the run's own pictures; the largest difference is printed, and one
    above 0.001 of [-1, 1] ends in exit code 1 with nothing written. Graphs take any batch and any size from
    `smallest_side` of their metadata on, and pad and crop by themselves. web is a folder for
    any host of static files, whose page runs the network in the browser. onnx and web need pip install
    'gankit[export]'.
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
        runtime=runtime,
    )
    typer.echo(f"largest difference from the run {exported.difference:.1e} of [-1, 1] ({exported.on})", err=True)
    typer.echo(exported.path)
