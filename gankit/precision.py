"""Half precision: what must not be computed in it, and whether the processor has instructions for it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

import torch
from torch import Tensor

__all__ = ["full", "processor_multiplies", "without_autocast"]

T = TypeVar("T")
CPUINFO = Path("/proc/cpuinfo")
PRODUCTS = {
    torch.bfloat16: {"avx512_bf16", "amx_bf16", "bf16", "sve_bf16", "svebf16"},
    torch.float16: {"avx512_fp16", "amx_fp16", "fp16_arith", "asimdhp"},
}
"""Instructions that multiply in a dtype: the names of torch for x86 and ARM, then Linux's where they are others."""


def full(x: Tensor) -> Tensor:
    """x in float32, or as it is where it is float64: half precision overflows in squares and in long means."""
    return x if x.dtype == torch.float64 else x.float()


def autocasts(x: Tensor) -> bool:
    """Whether operations on the device of x choose their dtype; meta tensors know no autocast."""
    return x.device.type != "meta" and torch.is_autocast_enabled(x.device.type)


def without_autocast(x: Tensor) -> AbstractContextManager:
    """A context in which operations on the device of x keep their dtype. Nothing is traced where nothing changes."""
    return torch.autocast(x.device.type, enabled=False) if autocasts(x) else nullcontext()


def float32_products(device: torch.device, rounded: bool = False) -> AbstractContextManager:
    """Within this, convolutions and matrix products of float32 on a CUDA device are of float32, or, `rounded`, of TF32,
    whatever torch was told before; what it was told holds again afterwards. On other devices nothing changes.

    torch has two ways to say so, and refuses to read by the one what was said by the other: `fp32_precision`, from 2.9
    on, and the settings before it. Both are set, so that both can be read within this.
    """
    return _cuda_products(rounded) if device.type == "cuda" else nullcontext()


@contextmanager
def _cuda_products(rounded: bool) -> Iterator[None]:
    backends: Any = torch.backends
    newer = hasattr(backends.cudnn, "conv")
    places = (backends.cuda.matmul, backends.cudnn.conv, backends.cudnn.rnn, backends.mkldnn.matmul) if newer else ()
    matmul = _readable(torch.get_float32_matmul_precision)
    cudnn = _readable(lambda: backends.cudnn.allow_tf32)
    kept = [place.fp32_precision for place in places]
    torch.set_float32_matmul_precision("high" if rounded else "highest")
    backends.cudnn.allow_tf32 = rounded
    for place in places:
        place.fp32_precision = "tf32" if rounded else "ieee"
    try:
        yield
    finally:
        if matmul is not None:
            torch.set_float32_matmul_precision(matmul)
        if cudnn is not None:
            backends.cudnn.allow_tf32 = cudnn
        for place, precision in zip(places, kept, strict=True):
            place.fp32_precision = precision


def _readable(setting: Callable[[], T]) -> T | None:
    try:
        return setting()
    except RuntimeError:  # it was set by the newer way
        return None


def processor_multiplies(dtype: torch.dtype) -> bool:
    """Whether the processor has instructions for products in this dtype; in doubt are bfloat16 and float16 alone.

    Without them torch still computes the right values, many times slower than in float32: a bf16 step of CycleGAN took
    39 times as long on a processor with only AVX2. x86 has them with AMX and with some AVX512 (`avx512_bf16`,
    `avx512_fp16`), ARM with `bf16` and `fp16_arith`. torch is asked; where it is older than
    `torch.cpu.get_capabilities`, /proc/cpuinfo of Linux; where neither knows the processor, the answer is no.
    """
    return dtype not in PRODUCTS or not PRODUCTS[dtype].isdisjoint(_instructions())


def too_slow(dtype: torch.dtype, device: torch.device) -> str:
    """Why products in this dtype take many times as long there as in float32; empty where they do not."""
    if device.type != "cpu" or processor_multiplies(dtype):
        return ""
    return f"this processor has no instructions for {str(dtype).removeprefix('torch.')}: many times slower than float32"


@cache
def _instructions() -> frozenset[str]:
    if hasattr(torch.cpu, "get_capabilities"):
        return frozenset(name for name, here in torch.cpu.get_capabilities().items() if here is True)
    try:
        lines = CPUINFO.read_text().splitlines()
    except OSError:  # another system
        return frozenset()
    flags = (line.partition(":")[2] for line in lines if line.startswith(("flags", "Features")))
    return frozenset(next(flags, "").split())
