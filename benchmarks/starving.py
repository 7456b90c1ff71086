"""Count how often a training step would wait for its pictures, and what a pair costs.

    python -m benchmarks.starving --rate 100 --workers 8

draws photos, loads pairs with worker processes, and takes one at each tick of a clock, as a step of that rate would. A
pair is late when to take it lasted longer than a quarter of a tick. The CPU time of all processes, divided by the pairs
that they made, is what a pair costs; its inverse, how many a core gives a second.
"""

from __future__ import annotations

import argparse
import os
import resource
import tempfile
import time
from pathlib import Path
from typing import Any

import torch

from benchmarks.drawn_photos import draw_photos
from gankit.data.loader import make_loader
from gankit.data.unpaired import Unpaired

WAYS: dict[str, dict[str, Any]] = {
    "exact": {"cache": "none", "exact": True},
    "uncached": {"cache": "none"},
    "ram": {"cache": "ram"},
    "disk": {"cache": "disk"},
}


def cpu_seconds() -> float:
    """Of this process and of its workers that have ended."""
    used = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(u.ru_utime + u.ru_stime for u in used)


def cost(data: Unpaired, workers: int) -> float:
    """CPU seconds that a pair costs, of three epochs' difference to one: to start the workers is left out."""

    def spent(epochs: int) -> float:
        start = cpu_seconds()
        stream = iter(make_loader(data, 1, endless=True, workers=workers))
        for _ in range(epochs * len(data)):
            next(stream)
        del stream  # ends the workers
        return cpu_seconds() - start

    return (spent(4) - spent(1)) / (3 * len(data))


def late(data: Unpaired, workers: int, rate: float, steps: int) -> tuple[int, float]:
    """How many of `steps` pairs, after a first epoch that fills what is kept, were not ready; seconds to take one."""
    stream = iter(make_loader(data, 1, endless=True, workers=workers))
    for _ in range(len(data)):
        next(stream)
    due, count, waited = time.perf_counter(), 0, 0.0
    for _ in range(steps):
        due = max(due + 1 / rate, time.perf_counter())
        time.sleep(max(0.0, due - time.perf_counter()))
        start = time.perf_counter()
        next(stream)
        took = time.perf_counter() - start
        waited += took
        count += took > 0.25 / rate
    return count, waited / steps


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rate", type=float, default=100, help="pairs that a step takes a second")
    parser.add_argument("--workers", type=int, default=os.cpu_count(), help="processes that read")
    parser.add_argument("--steps", type=int, default=500)
    parser.add_argument("--photos", type=int, default=100, help="drawn for each domain")
    parser.add_argument("--root", type=Path, help="a folder with trainA and trainB, instead of drawn ones")
    options = parser.parse_args()
    torch.set_num_threads(1)
    print(f"{os.cpu_count()} cores, {options.workers} workers, {options.rate:g} pairs a second, {options.steps} steps")
    with tempfile.TemporaryDirectory() as scratch:
        roots = [options.root] if options.root else []
        for width, height in () if roots else ((256, 256), (512, 512), (1024, 768)):
            root = Path(scratch, f"{width}x{height}")
            draw_photos(root / "trainA", width, height, options.photos)
            os.symlink(root / "trainA", root / "trainB")
            roots.append(root)
        for root in roots:
            for way, workers in [*((way, options.workers) for way in WAYS), ("ram", 0)]:
                kept = str(Path(scratch, "kept"))
                data = Unpaired(root=str(root), enlarge=True, cache_folder=kept, **WAYS[way])
                missed, wait = late(data, workers, options.rate, options.steps)
                a_pair = cost(data, workers)
                print(
                    f"{root.name:>9}  {way:8}  {workers} workers: {missed:4} late, {1000 * wait:5.2f} ms to take one; "
                    f"{1000 * a_pair:5.2f} ms of CPU a pair, {1 / a_pair:4.0f} pairs a second and core",
                    flush=True,
                )


if __name__ == "__main__":
    main()
