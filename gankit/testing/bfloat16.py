"""bfloat16 on any processor, at a bearable speed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_map

from gankit.precision import processor_multiplies

ATEN = torch.ops.aten
PRODUCTS = tuple(
    getattr(ATEN, name).default for name in ("convolution", "convolution_backward", "mm", "addmm", "bmm", "baddbmm")
)


@contextmanager
def bfloat16() -> Iterator[None]:
    """CPU autocast to bfloat16. Where the processor has no instructions for it, `WideProducts` does the products."""
    native = processor_multiplies(torch.bfloat16)
    with torch.autocast("cpu", dtype=torch.bfloat16), nullcontext() if native else WideProducts():
        yield


class WideProducts(TorchDispatchMode):
    """Products of bfloat16 tensors are summed in float32, as the instructions do, and rounded once.

    The numbers are the same but for the order of the sums; without instructions for bfloat16 this is many times faster
    than torch's own way.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if func not in PRODUCTS or not isinstance(args[0], Tensor) or args[0].dtype != torch.bfloat16:
            return func(*args, **(kwargs or {}))
        return tree_map(narrow, func(*tree_map(wide, args), **(kwargs or {})))


def wide(value: Any) -> Any:
    return value.float() if isinstance(value, Tensor) and value.dtype == torch.bfloat16 else value


def narrow(value: Any) -> Any:
    return value.bfloat16() if isinstance(value, Tensor) else value
