"""Adam as TensorFlow computes it."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence
from typing import Any, cast

import torch
from torch import Tensor
from torch.optim import Optimizer

from gankit.optimizers.numbers import Decay, Positive


class TFAdam(Optimizer):
    """Adam as TensorFlow computes it: lr * sqrt(1 - b2^t) / (1 - b1^t) * m / (sqrt(v) + eps).

    That is the "epsilon-hat" form of arXiv 1412.6980, section 2: eps is not corrected for bias. A single TensorFlow
    optimizer that serves several updates of an iteration in turn (AGIT: four) advances one t with each of them: the
    TFAdam of each update is told its place by `take_turn`, so that t = count * iteration + number + 1. t advances at
    each step for all parameters, those without a gradient included.

    Args:
        lr: the learning rate.
        betas: the shares that the running means of the gradient and of its square keep at each step.
        eps: what is added to the root of the mean square.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: Positive = 2e-4,
        betas: tuple[Decay, Decay] = (0.5, 0.999),
        eps: Positive = 1e-8,
    ) -> None:
        if lr < 0 or eps < 0 or not all(0 <= b < 1 for b in betas):
            raise ValueError(f"lr and eps must not be negative, betas in [0, 1): {lr=}, {eps=}, {betas=}")
        super().__init__(params, dict(lr=lr, betas=betas, eps=eps, stride=1, offset=0, iteration=0))

    def take_turn(self, number: int, count: int) -> None:
        """Serve update `number`, counted from 0, of the `count` updates of an iteration."""
        if not 0 <= number < count:
            raise ValueError(f"number must lie in 0..count-1, but number is {number} and count {count}")
        for group in self.param_groups:
            group |= {"stride": count, "offset": number}

    @staticmethod
    def state_bytes(params: Sequence[Tensor], **settings: Any) -> int:
        return sum(p.nbytes * 2 for p in params)

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> Any:  # type: ignore[override]
        loss = None
        if closure is not None:
            with torch.enable_grad():
                loss = closure()
        for group in self.param_groups:
            params = [p for p in group["params"] if p.grad is not None]
            if params:
                self._update(group, params)
            group["iteration"] += 1
        return loss

    def _update(self, group: dict[str, Any], params: list[Tensor]) -> None:
        (b1, b2), t = group["betas"], group["stride"] * group["iteration"] + group["offset"] + 1
        size = group["lr"] * math.sqrt(1 - b2**t) / (1 - b1**t)
        for p in params:
            gradient = cast(Tensor, p.grad)
            state = self.state[p]
            if not state:
                state |= {"m": torch.zeros_like(p), "v": torch.zeros_like(p)}
            state["m"].lerp_(gradient, 1 - b1)
            state["v"].mul_(b2).addcmul_(gradient, gradient, value=1 - b2)
            p.addcdiv_(state["m"], state["v"].sqrt().add_(group["eps"]), value=-size)
