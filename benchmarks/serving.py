"""How many pictures a server translates, how long they take, and what becomes of bad input meanwhile.

    python -m benchmarks.serving RUN --clients 4 --seconds 20

starts `gankit serve RUN` on a free port of the loopback interface, and as many clients as are asked for, each of which
sends its next picture when it has the answer to the last one. Every third request of a client is one that must be
refused. Printed are counts by status, and of the pictures the rate, the median and the 95th percentile of their times,
all by the wall's clock.
"""

from __future__ import annotations

import argparse
import io
import itertools
import re
import signal
import statistics
import subprocess
import sys
import threading
import time
from collections import Counter

import httpx
import numpy as np
from PIL import Image

BAD = {
    "no picture": {"other": (None, "1")},
    "text": {"picture": (None, "words")},
    "no image": {"picture": ("x.png", b"not a picture")},
    "cut off": {"picture": ("x.png", b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR")},
    "too many bytes": {"picture": ("x.png", b"x" * 40_000_000)},
    "wrong direction": {"direction": (None, "up")},
}


def photo(side: int) -> bytes:
    """A JPEG of smooth noise."""
    coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), dtype=np.uint8)
    out = io.BytesIO()
    Image.fromarray(coarse).resize((side, side), Image.Resampling.BICUBIC).save(out, "JPEG", quality=90)
    return out.getvalue()


def client(url: str, picture: bytes, until: float, answers: list[tuple[str, int, float]]) -> None:
    bad = itertools.cycle(BAD.items())
    with httpx.Client(timeout=120) as http:
        for turn in itertools.count():
            if time.perf_counter() > until:
                return
            good = {"picture": ("photo.jpg", picture)}
            name, files = ("picture", good) if turn % 3 else next(bad)
            files = good | files if name == "wrong direction" else files
            start = time.perf_counter()
            try:
                status = http.post(f"{url}/translate", files=files).status_code
            except httpx.HTTPError as e:  # a server that refuses an upload may close the line before its end
                status = 0 if not isinstance(e, httpx.WriteError | httpx.RemoteProtocolError) else 413
            answers.append((name, status, time.perf_counter() - start))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run")
    parser.add_argument("--clients", type=int, default=4)
    parser.add_argument("--seconds", type=float, default=20)
    parser.add_argument("--side", type=int, default=256)
    parser.add_argument("--queue", type=int, default=8)
    options = parser.parse_args()
    command = [sys.executable, "-m", "gankit.cli.main", "serve", options.run, "--port", "0"]
    server = subprocess.Popen([*command, "--queue", str(options.queue)], stderr=subprocess.PIPE, text=True)
    try:
        assert server.stderr is not None
        line = server.stderr.readline()
        match = re.search(r"http://\S+(?=;)", line)
        if match is None:
            sys.exit(line + server.stderr.read())
        url = match[0]
        httpx.post(f"{url}/translate", files={"picture": photo(options.side)}, timeout=120)  # the first one is slower
        answers: list[tuple[str, int, float]] = []
        start = time.perf_counter()
        arguments = (url, photo(options.side), start + options.seconds, answers)
        threads = [threading.Thread(target=client, args=arguments) for _ in range(options.clients)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        taken = time.perf_counter() - start
        health = httpx.get(f"{url}/health").json()
    finally:
        server.send_signal(signal.SIGINT)
        server.wait(30)
    for (name, status), count in sorted(Counter((name, status) for name, status, _ in answers).items()):
        print(f"{name:16} {status}  {count}")
    times = sorted(t for name, status, t in answers if name == "picture" and status == 200)
    if len(times) > 1:
        p95 = times[min(len(times) - 1, int(0.95 * len(times)))]
        print(f"{len(times) / taken:.2f} pictures/s, median {statistics.median(times):.2f} s, 95 % within {p95:.2f} s")
    print(f"afterwards: {health}")


if __name__ == "__main__":
    main()
