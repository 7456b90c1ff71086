"""One device, its ceilings, and how a case is measured. `pytest benchmarks` runs this; the tests do not collect it."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Sequence
from functools import partial
from statistics import median
from typing import Any

import pytest
import torch

from benchmarks.measure import SHORTEST, Call, ceilings, clock, conditions, flops, machine, seconds, together
from gankit.precision import too_slow

BUDGET = {"cpu": 1.5, "cuda": 0.3}
"""Seconds for the rounds of one case."""
SMALLEST = 0.1
"""Seconds for the rounds of one case with --smallest: one round for a step, several for a norm."""


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("gankit")
    group.addoption("--smallest", action="store_true", help="the smallest sizes, few rounds: whether all still runs")
    group.addoption("--on", choices=["cpu", "cuda"], default="cuda" if torch.cuda.is_available() else "cpu")


def pytest_configure(config: pytest.Config) -> None:
    torch.set_num_threads(1)  # so that the CPU's own time is what a case takes, whatever else runs


def pytest_sessionstart(session: pytest.Session) -> None:
    if not session.config.option.collectonly:
        ceilings(torch.device(session.config.getoption("--on")))  # first of all, before anything is warm or large


def pytest_terminal_summary(terminalreporter: Any, config: pytest.Config) -> None:
    device = torch.device(config.getoption("--on"))
    found = ceilings(device)
    rates = ", ".join(f"{str(d).removeprefix('torch.')} {r / 1e12:.3g}" for d, r in found.matrix.items())
    text = f"{machine(device)}: copy {found.copy / 1e9:.1f} GB/s (read and write), matrix product {rates} TFLOP/s"
    terminalreporter.write_line(text)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    for item in items:
        group = item.path.stem.removeprefix("test_")
        now = time.perf_counter if group == "cli" else clock(torch.device(config.getoption("--on")))
        item.add_marker(pytest.mark.benchmark(group=group, timer=now))


@pytest.fixture
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.config.getoption("--on"))


@pytest.fixture(scope="session")
def smallest(request: pytest.FixtureRequest) -> bool:
    return request.config.getoption("--smallest")


@pytest.fixture
def compare(benchmark: Any, device: torch.device, smallest: bool) -> Callable[..., dict[str, Any]]:
    """Time a case, and the form that it is compared with, in turns; keep what the figures mean beside them.

    ours, reference: a call, or the same call on several inputs (so that on a GPU no cache holds the next one's).
    check: compares the results; runs first. nbytes: what one call must read and write at least. work: its
    FLOP, counted when not given. dtype: of the matrix
    products, for the floor; where it is too slow to be timed, the case is skipped. graph: on a GPU, time a CUDA graph
    of the calls: kernels, without the host's overhead. now: another clock. Returns the case's figures.
    """

    def run(
        ours: Call | Sequence[Call],
        reference: Call | Sequence[Call] | None = None,
        *,
        check: Call | None = None,
        nbytes: float = 0,
        work: float | None = None,
        dtype: torch.dtype = torch.float32,
        graph: bool = False,
        now: Callable[[], float] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        if reason := too_slow(dtype, device):
            pytest.skip(reason)
        if check is not None:
            check()
        several = [ours] if callable(ours) else list(ours)
        work = flops(several[0]) if work is None else work
        graph = graph and device.type == "cuda"
        now = now or clock(device)
        times: dict[str, list[float]] = {"ours": [], "reference": []}
        timed, counts, spent = {}, {}, 0.0
        for name, calls in (("ours", ours), ("reference", reference)):
            if calls is not None:
                call = together([calls] if callable(calls) else list(calls), graph)
                call()
                shortest = SHORTEST / 10 if smallest else SHORTEST
                often = math.ceil(shortest / max(seconds(call, now), 1e-9))
                timed[name], counts[name] = partial(_repeat, call, often), often * len(several)
                spent += seconds(timed[name], now)

        def measure(name: str) -> None:
            if name in timed:
                times[name].append(seconds(timed[name], now) / counts[name])

        budget, fewest, most = (SMALLEST, 1, 5) if smallest else (BUDGET[device.type], 3, 30)
        rounds = min(max(int(budget / max(spent, 1e-9)), fewest), most)
        benchmark.pedantic(measure, ("ours",), setup=lambda: measure("reference"), rounds=rounds)

        took = median(times["ours"])
        floor = ceilings(device).floor(nbytes, work, dtype)
        figures = conditions(device) | {
            "machine": machine(device),
            "copy_gb_s": ceilings(device).copy / 1e9,
            "matrix_tflop_s": ceilings(device).matrix[dtype] / 1e12,
            "dtype": str(dtype).removeprefix("torch."),
            "bytes": nbytes,
            "flops": work,
            "ms": 1e3 * took,
            "graph": graph,
            "calls": counts["ours"],
            **more,
        }
        if floor:
            figures |= {"floor_ms": 1e3 * floor, "percent_of_floor": 100 * floor / took}
        if reference is not None:
            ratios = [theirs / own for theirs, own in zip(times["reference"], times["ours"], strict=True)]
            figures |= {
                "ratio_to_reference": median(times["reference"]) / took,
                "ratio_min": min(ratios),
                "ratio_max": max(ratios),
            }
        benchmark.extra_info |= figures
        return figures

    return run


def _repeat(call: Call, times: int) -> None:
    for _ in range(times):
        call()
