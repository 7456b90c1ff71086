"""`gankit export`"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

import typer

from gankit.cli.common import Checkpoint


def export(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)],
    to: Annotated[
        Literal["onnx", "torch-export", "safetensors", "hub-folder", "web"],
        typer.Option(help="The format to write.", show_default=False),
    ],
    out: Annotated[Path, typer.Option(help="The file or folder to write.", show_default=False)],
    direction: Annotated[str, typer.Option(help="a2b or b2a; the method's first direction if not given.")] = "",
    pictures: Annotated[
        list[Path] | None,
        typer.Option(
            help="Pictures or folders on which the export is compared with the run; random inputs if not given."
        ),
    ] = None,
    licence: Annotated[
        str, typer.Option(help="The licence that the model card states, as the weights and the data require it.")
    ] = "unknown",
    runtime: Annotated[
        Path | None,
        typer.Option(
            help="With web: a folder with the files of onnxruntime-web, which are copied; without it pages fetch them."
        ),
    ] = None,
    checkpoint: Checkpoint = "last",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace what exists.")] = False,
) -> None:
    """Export a run for other programs: ONNX, torch.export, safetensors, a folder with a model card, or a web page.

    The export is read back and compared with the run. The largest difference is printed; if it is above 0.001 of
    [-1, 1], nothing is written and the exit code is 1. Graphs take any batch and any size from `smallest_side` in their
    metadata on; they pad and crop pictures themselves. web writes a folder for any host of static files, whose page
    runs the network in the browser. onnx, web and torch-export need torch 2.10 or later; onnx and web also need
    pip install 'gankit[export]'.
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
    typer.echo(f"the largest difference from the run is {exported.difference:.1e} of [-1, 1] ({exported.on})", err=True)
    typer.echo(exported.path)
