"""Which form of a kernel runs: torch's or Triton's."""

from __future__ import annotations

import os
from importlib.util import find_spec

import torch
from torch import Tensor

FORCED = os.environ.get("GANKIT_KERNELS") or None
"""`torch` or `triton`, where the environment variable GANKIT_KERNELS says so; read once."""
HAS_TRITON = find_spec("triton") is not None
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


def _capable(device: torch.device) -> bool:
    return torch.version.hip is not None or torch.cuda.get_device_capability(device) >= (7, 0)
