"""`gankit sample`: pictures from noise."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import Checkpoint


def sample(
    run: Annotated[Path, typer.Argument(metavar="RUN", help="A run directory.", show_default=False)],
    out: Annotated[Path, typer.Option(help="The folder for the pictures.", show_default=False)],
    count: Annotated[int, typer.Option(min=1, help="How many pictures to make.")] = 64,
    seed: Annotated[int, typer.Option(min=0, help="The seed of the noise; another seed gives other pictures.")] = 0,
    grid: Annotated[bool, typer.Option("--grid", help="Also write all pictures into one, grid.png.")] = False,
    checkpoint: Checkpoint = "last",
    overwrite: Annotated[bool, typer.Option("--overwrite", help="Replace pictures that exist.")] = False,
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")] = "auto",
) -> None:
    """Make pictures from noise with a run of the method `gan`, and write them as PNG.

    The same seed always gives the same pictures; a larger count adds more to them.
    """
    from rich.console import Console
    from rich.progress import Progress

    import gankit
    from gankit.inference.sample import sample as draw
    from gankit.inference.sample import save_samples
    from gankit.report.grids import plain_grid

    loaded = gankit.load(run, device, checkpoint)
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as progress:
        task = progress.add_task("drawing")
        pictures = draw(
            loaded.method, count, seed, lambda done, total: progress.update(task, completed=done, total=total)
        )
    for path in save_samples(pictures, out, plain_grid(pictures) if grid else None, overwrite, loaded.codecs["a"]):
        typer.echo(path)
