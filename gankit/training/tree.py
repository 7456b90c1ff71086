"""Nested state as JSON and tensors: what pickle would be used for, without its powers."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

_MARKS = ("$tensor", "$tuple", "$items")


def pack(value: Any) -> tuple[Any, dict[str, Tensor]]:
    """Dicts, lists, tuples, scalars and tensors -> (what JSON can hold, the tensors by their place).

    Raises TypeError for anything else: a state that needs code to come back is not saved.
    """
    tensors: dict[str, Tensor] = {}
    return _pack(value, "", tensors), tensors


def _pack(value: Any, place: str, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, Tensor):
        key = f"{len(tensors)}{place}"
        tensors[key] = own(value)
        return {"$tensor": key}
    if isinstance(value, Mapping):
        if all(isinstance(k, str) and k not in _MARKS for k in value):
            return {k: _pack(v, f"{place}/{k}", tensors) for k, v in value.items()}
        return {"$items": [[_pack(k, place, {}), _pack(v, f"{place}/{k}", tensors)] for k, v in value.items()]}
    if isinstance(value, list | tuple):
        items = [_pack(v, f"{place}/{i}", tensors) for i, v in enumerate(value)]
        return {"$tuple": items} if isinstance(value, tuple) else items
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"{place or 'the state'} holds a {type(value).__name__}, which a checkpoint cannot store")


def unpack(value: Any, tensors: Mapping[str, Tensor]) -> Any:
    """What `pack` was given. Raises KeyError when a tensor is missing."""
    if isinstance(value, list):
        return [unpack(v, tensors) for v in value]
    if not isinstance(value, dict):
        return value
    if "$tensor" in value:
        return tensors[value["$tensor"]]
    if "$tuple" in value:
        return tuple(unpack(v, tensors) for v in value["$tuple"])
    if "$items" in value:
        return {unpack(k, tensors): unpack(v, tensors) for k, v in value["$items"]}
    return {k: unpack(v, tensors) for k, v in value.items()}


def own(tensor: Tensor) -> Tensor:
    """A copy on the CPU that shares its memory with nothing."""
    return tensor.detach().to("cpu", copy=True, memory_format=torch.contiguous_format)
