"""What all benchmarks measure with: clocks, the machine's ceilings, counted work, floors, interleaved rounds."""

from __future__ import annotations

import platform
import re
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cache, partial
from pathlib import Path
from statistics import median
from typing import Any

import torch
from torch.utils.flop_counter import FlopCounterMode

from gankit.kernels.choose import recorded
from gankit.precision import too_slow
from gankit.training.graphs import Cuda

Call = Callable[[], Any]
Clock = Callable[[], float]
SHORTEST = 5e-3
"""Seconds of one timing at least, so that to read the clock, and to wait for a GPU, is no part of it."""


def clock(device: torch.device) -> Clock:
    """Seconds: of the CPU at one thread, where other programs do not count; else of the wall, with the work done."""
    if device.type == "cuda":
        return partial(_after, device)
    return time.process_time if torch.get_num_threads() == 1 else time.perf_counter


def _after(device: torch.device) -> float:
    torch.cuda.synchronize(device)
    return time.perf_counter()


def seconds(call: Call, now: Clock) -> float:
    start = now()
    call()
    return now() - start


@dataclass(frozen=True)
class Rounds:
    """Seconds of every variant in every round; the variants of a round ran one after the other."""

    times: dict[str, list[float]]

    def ratios(self, slow: str, fast: str) -> list[float]:
        """How many times faster `fast` was than `slow`, by round."""
        return [a / b for a, b in zip(self.times[slow], self.times[fast], strict=True)]

    def ratio(self, slow: str, fast: str) -> float:
        """The ratio of the medians."""
        return median(self.times[slow]) / median(self.times[fast])


def interleaved(
    calls: Mapping[str, Call],
    rounds: int,
    now: Clock,
    timed: Callable[[str, float], None] = lambda name, took: None,
    failed: Callable[[str, Exception], None] | None = None,
) -> Rounds:
    """Time the calls A B C, B C A, ...: each round begins with another, so that none is always the one after a rest.

    timed: told each time as it comes. failed: told of a call that raises, which is left out from there on; None: it
    ends all.
    """
    times: dict[str, list[float]] = {name: [] for name in calls}
    for number in range(rounds):
        names = list(times)
        first = number % max(1, len(names))
        for name in names[first:] + names[:first]:
            try:
                times[name].append(seconds(calls[name], now))
            except Exception as error:
                if failed is None:
                    raise
                failed(name, error)
                del times[name]
            else:
                timed(name, times[name][-1])
    return Rounds(times)


def graphed(calls: Sequence[Call]) -> Call:
    """The calls as one CUDA graph, so that the host's overhead is not in the time of a kernel."""
    recorder = Cuda()

    def run() -> None:
        for call in calls:
            call()

    with recorded():
        for _ in range(3):
            with recorder.warming():
                run()
        return recorder.record(run, recorder.pool())[0].replay


def together(calls: Sequence[Call], graph: bool) -> Call:
    """The calls one after the other, as one."""
    return graphed(calls) if graph else lambda: [call() for call in calls]


# -- the machine ------------------------------------------------------------------------------------------------------
@dataclass(frozen=True)
class Ceilings:
    """What the machine reaches here: bytes read and written a second by a copy, FLOP a second of a matrix product."""

    copy: float
    matrix: dict[torch.dtype, float]

    def floor(self, nbytes: float, flops: float, dtype: torch.dtype) -> float:
        """The fewest seconds for this work: whichever of the two takes longer."""
        return max(nbytes / self.copy, flops / self.matrix[dtype])


@cache
def ceilings(device: torch.device) -> Ceilings:
    """Measured once in a session, the best of several; not for a dtype that is `too_slow`. fp32 runs without TF32."""
    on_gpu, now = device.type == "cuda", clock(device)
    size = 2**30 if on_gpu else 2**27
    source, target = (torch.ones(size // 4, device=device) for _ in range(2))
    copy = 2 * size / _fastest(lambda: target.copy_(source), now)
    halves = [torch.bfloat16, torch.float16] if on_gpu else [torch.bfloat16]
    side, dtypes = 8192 if on_gpu else 1024, [torch.float32, *(d for d in halves if not too_slow(d, device))]
    rates = {}
    with tf32(False):
        for dtype in dtypes:
            a, b = (torch.randn(side, side, device=device).to(dtype) for _ in range(2))
            rates[dtype] = 2 * side**3 / _fastest(partial(torch.matmul, a, b), now)
    return Ceilings(copy, rates)


def _fastest(call: Call, now: Clock) -> float:
    """Seconds of a call: the best of ten times eight in a row."""
    return min(seconds(lambda: [call() for _ in range(8)], now) for _ in range(10)) / 8


class tf32:
    """Within this, fp32 convolutions and products on a GPU use TF32, or not."""

    def __init__(self, allowed: bool) -> None:
        self.allowed = allowed

    def __enter__(self) -> None:
        self.before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
        self.set(self.allowed, self.allowed)

    def __exit__(self, *_: object) -> None:
        self.set(*self.before)

    @staticmethod
    def set(matmul: bool, cudnn: bool) -> None:
        torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32 = matmul, cudnn


def conditions(device: torch.device) -> dict[str, Any]:
    """What a figure depends on besides the code."""
    return {
        "device": device_name(device),
        "threads": torch.get_num_threads(),
        "torch": torch.__version__,
        "python": platform.python_version(),
    }


def device_name(device: torch.device) -> str:
    if device.type == "cuda":
        return torch.cuda.get_device_name(device)
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
    except OSError:
        return platform.processor() or platform.machine()
    return next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), platform.machine())


def machine(device: torch.device) -> str:
    """The name of a results file: processor and torch, nothing of the host."""
    threads = torch.get_num_threads()
    cores = "" if device.type == "cuda" else f" {threads} thread{'s' if threads > 1 else ''}"
    text = f"{device_name(device)}{cores} torch {torch.__version__.split('+')[0]}"
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-")


# -- counted work -----------------------------------------------------------------------------------------------------
def flops(call: Call) -> int:
    """Floating point operations of convolutions and matrix products, forward and backward; runs the call once."""
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()
