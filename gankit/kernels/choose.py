"""Which form of a kernel runs: torch's or Triton's."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec

import torch
from torch import Tensor

FORCED = os.environ.get("GANKIT_KERNELS") or None
"""`torch` or `triton`, where the environment variable GANKIT_KERNELS says so; read once."""
HAS_TRITON = find_spec("triton") is not None
LARGE = 16 * 2**20
"""Predicted, not measured: an instance norm with its ReLU moves 26 times its map in torch and 8 times here, which at
4 TB/s is 75 us for a map of this size; six launches by Triton take the CPU about 100 us longer than torch's."""
_recorded = False
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def uses_triton(x: Tensor) -> bool:
    """Whether operations on x run as Triton kernels: on CUDA devices (of compute capability 7 at least) where Triton is
    installed, never for float64.

    `GANKIT_KERNELS=torch` forbids it; `GANKIT_KERNELS=triton` asks for it on other devices too (on a CPU this needs
    Triton's interpreter, TRITON_INTERPRET=1). Raises ValueError for other values, and where Triton is asked for and
    not installed.
    """
    if FORCED == "torch" or x.dtype not in _DTYPES:
        return False
    if FORCED is None:
        return HAS_TRITON and x.is_cuda and _capable(x.device)
    if FORCED != "triton":
        raise ValueError(f"GANKIT_KERNELS is torch or triton, not {FORCED!r}")
    if not HAS_TRITON:
        raise ValueError("GANKIT_KERNELS=triton, but Triton is not installed: install it, or unset the variable")
    return x.device.type != "meta"


def launches_pay(x: Tensor) -> bool:
    """Whether launching a Triton kernel on x, which takes the CPU longer than one of torch's, is worth it where torch
    has the same operation: on maps of `LARGE` bytes, and wherever launches are recorded beforehand."""
    return FORCED == "triton" or torch.compiler.is_compiling() or _recorded or x.nbytes >= LARGE


@contextmanager
def recorded() -> Iterator[None]:
    """Within this, what runs is recorded in a CUDA graph, or warms up for it: launches cost nothing."""
    global _recorded
    before, _recorded = _recorded, True
    try:
        yield
    finally:
        _recorded = before


def _capable(device: torch.device) -> bool:
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (7, 0)
