"""`gankit serve`: trained runs behind a small HTTP API."""

from __future__ import annotations

import errno
import socket
import sys
from pathlib import Path
from typing import Annotated

import typer

from gankit.cli.common import Checkpoint
from gankit.cli.extras import require
from gankit.core.errors import DataError
from gankit.core.files import reason


def serve(
    runs: Annotated[list[Path], typer.Argument(help="Run directories.", show_default=False)],
    host: Annotated[str, typer.Option(help="The address to listen on; 0.0.0.0 lets other machines in.")] = "127.0.0.1",
    port: Annotated[int, typer.Option(min=0, max=65535, help="The port to listen on; 0 takes a free one.")] = 8000,
    concurrency: Annotated[int, typer.Option(min=1, help="Pictures that are translated at the same time.")] = 1,
    queue: Annotated[int, typer.Option(min=0, help="Pictures that wait; more are refused with status 503.")] = 8,
    max_mb: Annotated[float, typer.Option(min=0.001, help="The largest request accepted, in megabytes.")] = 32,
    max_megapixels: Annotated[float, typer.Option(min=0.001, help="The largest picture accepted, in megapixels.")] = 16,
    checkpoint: Checkpoint = "last",
    device: Annotated[str, typer.Option(help="cpu, cuda, cuda:1 ...; auto takes a GPU if there is one.")] = "auto",
) -> None:
    """Translate pictures that are sent over HTTP.

    `curl -F picture=@photo.jpg http://127.0.0.1:8000/translate -o result.png` uses the first run, and
    /models/NAME/translate the run of that name. /models says what each run takes, /health how busy the server is, and
    /openapi.json describes the API. The answer to a wrong request says in a sentence what is wrong. The server
    listens to this machine only, unless --host says otherwise, and has no passwords: put a proxy in front of it
    before you let others in. Needs pip install 'gankit[serve]'.
    """
    require("serve", "fastapi", "uvicorn", "python_multipart")
    import uvicorn

    import gankit
    from gankit.web.server import LOOPBACK, make_app
    from gankit.web.station import Limits, stations

    limits = Limits(int(max_mb * 1e6), int(max_megapixels * 1e6))
    opened = stations([gankit.load(run, device, checkpoint) for run in runs], limits)
    app = make_app(opened, limits, concurrency, queue, LOOPBACK if host in LOOPBACK else None)
    with listen(host, port) as listening:
        address = f"http://{f'[{host}]' if ':' in host else host}:{listening.getsockname()[1]}"
        print(f"serving {', '.join(opened)} on {address}; Ctrl-C ends it", file=sys.stderr, flush=True)
        uvicorn.Server(uvicorn.Config(app, log_config=None, access_log=False)).run([listening])


def listen(host: str, port: int) -> socket.socket:
    """A socket that listens. Raises DataError where the address is none, or in use."""
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        return socket.create_server((host, port), family=family)
    except OSError as e:
        why = "no such address of this machine" if e.errno == errno.EADDRNOTAVAIL else reason(e).partition(" (while")[0]
        hint = "; --port 0 takes a port that is free" if e.errno == errno.EADDRINUSE else ""
        raise DataError(f"--host {host} --port {port}: {why}{hint}") from e
