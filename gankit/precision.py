"""What must not be computed in half precision, whatever the networks run in."""

from __future__ import annotations

from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor


def full(x: Tensor) -> Tensor:
    """x in float32, or as it is where it is float64: half precision overflows in squares and in long means."""
    return x if x.dtype == torch.float64 else x.float()


def without_autocast(x: Tensor) -> AbstractContextManager:
    """A context in which operations on the device of x keep their dtype. Nothing is traced where nothing changes."""
    device = x.device.type
    if device == "meta" or not torch.is_autocast_enabled(device):  # meta tensors know no autocast
        return nullcontext()
    return torch.autocast(device, enabled=False)
