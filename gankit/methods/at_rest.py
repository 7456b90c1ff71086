"""A method as it is used, not trained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from gankit.methods.base import Method
from gankit.precision import float32_products


@contextmanager
def at_rest(method: Method) -> Iterator[None]:
    """Evaluation mode, without gradients, in float32; modes and buffers are put back at the end."""
    modes = {module: module.training for module in method.modules()}
    buffers = {buffer: buffer.clone() for buffer in method.buffers()}
    method.eval()
    try:
        with torch.no_grad(), float32_products(method.device):
            yield
    finally:
        method.train(modes[method])  # a method may switch more than modes: pix2pix's running statistics
        for module, mode in modes.items():
            module.training = mode
        with torch.no_grad():
            for buffer, value in buffers.items():
                buffer.copy_(value)
