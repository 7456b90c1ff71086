"""Networks that keep their inputs instead of their activations, and compute them again for the backward pass."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from inspect import ismethod
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint

from gankit.contracts import GeneratorContract


class Checkpointed:
    """Stands for a network in a plan: called, it keeps only what goes into its segments (arXiv 1604.06174).

    The segments of a forward are those that the network names, functions whose composition it is (`stages()`), or it as
    a whole; its methods that take tensors (`features`, `encode_content`) are one segment each. Exact: dropout draws
    the same again. For networks whose calls leave nothing behind (`gankit.methods.joined.repeatable`).
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, *inputs: Tensor, **conditions: Tensor) -> Any:
        if conditions:
            return _segment(self.network, *inputs, **conditions)
        listed = GeneratorContract(self.network).stages
        stages: list[Callable[..., Any]] = listed() if listed and len(inputs) == 1 else []
        output: Any = None
        for stage in stages or [self.network]:
            output = _segment(stage, *inputs)
            inputs = (output,)
        return output

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self.network, name)
        return partial(_segment, attribute) if ismethod(attribute) else attribute


def _segment(function: Callable[..., Any], *inputs: Any, **conditions: Any) -> Any:
    if torch.is_grad_enabled() and any(isinstance(x, Tensor) for x in inputs):
        return checkpoint(function, *inputs, use_reentrant=False, **conditions)
    return function(*inputs, **conditions)
