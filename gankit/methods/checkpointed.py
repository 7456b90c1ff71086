"""Networks that keep their inputs instead of their activations, and compute them again for the backward pass."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils.checkpoint import checkpoint


class Checkpointed:
    """Stands for a network in a plan: called, it keeps only what goes into its segments (arXiv 1604.06174).

    The segments are those that the network names, functions whose composition is its forward (`stages()`), or it as a
    whole. What is called on the network beside its forward keeps its activations. Exact: dropout draws the same again.
    For networks whose forward leaves nothing behind (`gankit.methods.joined.repeatable`).
    """

    def __init__(self, network: nn.Module) -> None:
        self.network = network

    def __call__(self, *inputs: Tensor) -> Any:
        if not torch.is_grad_enabled():
            return self.network(*inputs)
        stages: list[Any] = getattr(self.network, "stages", list)() if len(inputs) == 1 else []
        for stage in stages or [self.network]:
            made = checkpoint(stage, *inputs, use_reentrant=False)
            inputs = (made,)
        return made

    def __getattr__(self, name: str) -> Any:
        return getattr(self.network, name)
