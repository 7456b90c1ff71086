"""Benchmarks run where `pytest benchmarks` runs; the tests do not collect them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

DEVICES = ["cpu", *(["cuda"] if torch.cuda.is_available() else [])]


@pytest.fixture(params=DEVICES)
def device(request: pytest.FixtureRequest) -> torch.device:
    return torch.device(request.param)


@pytest.fixture
def measure(benchmark: Any, device: torch.device) -> Callable[[Callable[[], Any]], None]:
    """Time a function; on a GPU, until the work is done. What was measured on is kept with the result."""

    def run(function: Callable[[], Any]) -> None:
        def finished() -> None:
            function()
            if device.type == "cuda":
                torch.cuda.synchronize(device)

        name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{torch.get_num_threads()} threads"
        benchmark.extra_info |= {"torch": torch.__version__, "device": f"{device.type}, {name}"}
        benchmark.pedantic(finished, rounds=20, warmup_rounds=5)

    return run
