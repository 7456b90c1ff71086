"""Whether a computation stays on the device of its inputs, found without a second device: on `meta`."""

from __future__ import annotations

import traceback
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

ATEN = torch.ops.aten
MOVES = (ATEN._to_copy.default, ATEN.copy_.default, ATEN.index.Tensor, ATEN.index_put_.default, ATEN.index_put.default)
"""Operations that take tensors of two devices: they bring one to the other's."""
OURS = tuple(str(Path(file).parent) for file in (torch.__file__, __file__))


class OneDevice(TorchDispatchMode):
    """Refuses, as a GPU would, operations on tensors of two devices, with the line of the component that asks.

    A tensor without dimensions may lie on the CPU: GPUs take those. What lies on `meta` may not be brought back.
    """

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        kwargs = kwargs or {}
        tensors = [leaf for leaf in tree_leaves((args, kwargs)) if isinstance(leaf, Tensor)]
        if any(tensor.is_meta for tensor in tensors):
            strangers = [tensor for tensor in tensors if not tensor.is_meta]
            if func not in MOVES:
                changed = tensors[0] if func._schema.is_mutable else None
                refuse([tensor for tensor in strangers if tensor.ndim or tensor is changed])
            if func is ATEN._to_copy.default and torch.device(kwargs.get("device") or "meta").type != "meta":
                raise AssertionError(f"{asking()} brings a tensor to another device")
        return func(*args, **kwargs)


def refuse(strangers: list[Tensor]) -> None:
    if strangers:
        raise AssertionError(
            f"{asking()} takes a tensor {tuple(strangers[0].shape)} that lies on the CPU wherever the inputs are: "
            "make it with `device=x.device`, or keep it as a buffer"
        )


def asking() -> str:
    """The line of the component that is running, as `file:line`."""
    for frame in reversed(traceback.extract_stack()):
        if not frame.filename.startswith(OURS):
            return f"{frame.filename}:{frame.lineno}"
    return "an operation"
