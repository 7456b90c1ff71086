"""Parameters that must stay in [0, 1], kept there as part of every optimizer step.

U-GAT-IT clips each rho after the step of the generators' optimizer. Here a hook on all optimizers does it, so that no
training loop has to know: the hook clamps those parameters that belong to the optimizer which has just stepped.
"""

from __future__ import annotations

from typing import Any
from weakref import WeakSet

import torch
from torch import Tensor, nn
from torch.optim.optimizer import Optimizer, register_optimizer_step_post_hook


class Bounded(nn.Module):
    """A module whose parameter `rho` stays in [0, 1] under any torch optimizer, copies and unpickled ones included."""

    rho: Tensor

    def __init__(self) -> None:
        super().__init__()
        _alive.add(self)

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)  # deepcopy and unpickling come this way, not through __init__
        _alive.add(self)


_alive: WeakSet[Bounded] = WeakSet()


def clamp(optimizer: Optimizer, *step: Any) -> None:
    """Bring each rho that this optimizer trains back to [0, 1]. `step`: arguments of the step that it has made."""
    if not _alive:
        return
    stepped = {id(p) for group in optimizer.param_groups for p in group["params"]}
    with torch.no_grad():
        for module in list(_alive):
            if id(module.rho) in stepped:
                module.rho.clamp_(0, 1)


register_optimizer_step_post_hook(clamp)
