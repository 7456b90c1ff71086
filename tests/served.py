"""A server of one file on the loopback, that can break off, know no ranges, or hold another file."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer


class Served:
    """content: what is served. most: bytes of one answer, after which the connection ends. ranges: whether they are
    known. asked: the `Range` of each request."""

    def __init__(self, content: bytes) -> None:
        self.content = content
        self.most: int | None = None
        self.ranges = True
        self.status = 0
        self.asked: list[str | None] = []
        self.url = ""


@contextmanager
def served(content: bytes) -> Iterator[Served]:
    state = Served(content)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            wanted = self.headers.get("Range")
            state.asked.append(wanted)
            if state.status:
                return self.send_error(state.status)
            start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and state.ranges else 0
            rest = state.content[start:]
            self.send_response(206 if start else 200)
            self.send_header("Content-Length", str(len(rest)))
            if start:
                self.send_header("Content-Range", f"bytes {start}-{len(state.content) - 1}/{len(state.content)}")
            self.end_headers()
            self.wfile.write(rest[: state.most])

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    state.url = f"http://127.0.0.1:{server.server_port}"
    try:
        yield state
    finally:
        server.shutdown()
        thread.join()
        server.server_close()
