"""`gankit demo`: a page on which trained runs are tried."""

from __future__ import annotations

import os
import sys
import tempfile
import threading
from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import Checkpoint
from gankit.cli.extras import require
from gankit.cli.serve import listen
from gankit.core.errors import DataError, printable

FOLDER = Path("runs")


def demo(
    runs: Annotated[list[Path] | None, typer.Argument(help="Run directories.", show_default=False)] = None,
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 7860,
    max_mb: Annotated[float, typer.Option(min=0.001, help="The largest picture accepted, in megabytes.")] = 32,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="The largest picture accepted, in megapixels.")] = 16,
    open_browser: Annotated[bool, typer.Option("--open", help="Open the page in the browser.")] = False,
    checkpoint: Checkpoint = "last",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")] = "auto",
) -> None:
    """Open a page to try runs on: drop a picture, see the result and the attention beside it.

    Direction, style, label and size are chosen on the page; a brush paints the holes that inpainting fills; several
    runs stand beside one another. It trains nothing (`gankit train demo` does), fetches nothing, and listens to this
    machine only unless --host says otherwise. Needs pip install 'gankit[demo]'.
    """
    if not runs:
        raise DataError(_advice())
    require("demo", "gradio")
    import gankit
    from gankit.web.station import Limits, stations

    limits = Limits(int(max_mb * 1e6), int(max_megapixels * 1e6))
    opened = stations([gankit.load(run, device, checkpoint) for run in runs], limits)
    with tempfile.TemporaryDirectory(prefix="gankit-demo-") as folder:
        os.environ["GRADIO_TEMP_DIR"] = folder  # what is dropped on the page goes with the command
        from gankit.web.page import launch, make_page

        page = make_page(opened)
        with listen(host, port) as free:  # Gradio says of every address that its port is in use
            port = free.getsockname()[1]
        address = launch(page, host, port, limits.bytes)
        print(f"{', '.join(opened)} on {address}; Ctrl-C ends it", file=sys.stderr, flush=True)
        if open_browser:
            typer.launch(address)
        try:
            threading.Event().wait()
        finally:
            page.close(verbose=False)


def _advice() -> str:
    """What to do without a run."""
    from gankit.report.listing import listing

    found = [run for run in listing(FOLDER) if not run.fault and run.step] if FOLDER.is_dir() else []
    if not found:
        return "name a run: `gankit demo RUN`. There is none in ./runs yet; `gankit train demo` trains one in minutes"
    rows = [f"  {printable(str(run.path))}  {printable(run.method)}, step {run.step:,}" for run in found[:20]]
    more = [f"  and {len(found) - 20} more: `gankit runs` lists them"] if len(found) > 20 else []
    return "\n".join(["name the runs to try: `gankit demo RUN`. In ./runs there are", *rows, *more])
