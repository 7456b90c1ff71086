"""How large a method may be, counted before any weight of it is drawn."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from typing import Any

import torch
from torch import nn
from torch.nn.modules.module import (
    register_module_buffer_registration_hook,
    register_module_module_registration_hook,
    register_module_parameter_registration_hook,
)

from gankit.core.errors import BuildError
from gankit.core.schema import build_component
from gankit.training.seeds import untouched

MODULES, NUMBERS = 20_000, 2**32
"""Beyond what anybody trains: 2^32 weights are 16 GiB, without gradients and the state of optimizers."""


class TooLarge(ValueError):
    """What is being built has more modules or weights than it may."""


def build_counted(spec: Any, path: tuple[str | int, ...], numbers: int = NUMBERS) -> Any:
    """`build_component` of networks, once they are counted: without numbers where the parts can be made so, and again
    while the weights are made. numbers: how many weights and entries of buffers there may be.

    Raises BuildError at the part that is too large, before memory is asked for.
    """
    if torch.get_default_device().type != "meta":
        with suppress(Exception), untouched(), torch.device("meta"), _counted(numbers) as faults:
            build_component(spec, path)
        if faults:
            raise faults[0]
    with _counted(numbers):
        return build_component(spec, path)


@contextmanager
def _counted(most: int) -> Iterator[list[BuildError]]:
    """Raise TooLarge where what this thread builds exceeds the limits; the list has what came of that."""
    faults: list[BuildError] = []
    thread, modules, numbers = threading.get_ident(), 0, 0

    def count_module(module: nn.Module, name: str, child: nn.Module | None) -> None:
        nonlocal modules
        if threading.get_ident() == thread:
            modules += 1
            if modules > MODULES:
                raise TooLarge(f"it has more than {MODULES:,} modules: make it smaller")

    def count_numbers(module: nn.Module, name: str, tensor: torch.Tensor | None) -> None:
        nonlocal numbers
        if tensor is not None and threading.get_ident() == thread:
            numbers += tensor.numel()
            if numbers > most:
                raise TooLarge(f"it has more than {most:,} weights: make it narrower, or shallower")

    hooks = (
        register_module_module_registration_hook(count_module),
        register_module_parameter_registration_hook(count_numbers),
        register_module_buffer_registration_hook(count_numbers),
    )
    try:
        yield faults
    except BuildError as e:
        if isinstance(e.__cause__, TooLarge):
            faults.append(e)
        raise
    finally:
        for hook in hooks:
            hook.remove()
