"""AdamW that averages what it trains, and needs no schedule."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import Annotated, Any

import torch
from annotated_types import Gt, Lt
from torch import Tensor

from gankit.core.errors import ComponentError
from gankit.optimizers.numbers import Decay, NonNegative, Positive

try:
    from schedulefree import AdamWScheduleFree
except ModuleNotFoundError as e:
    raise ComponentError("it needs the package schedulefree: pip install 'gankit[schedulefree]'") from e


class ScheduleFreeAdamW(AdamWScheduleFree):
    """Schedule-free AdamW (arXiv 2405.15682), of the authors' package `schedulefree`.

    It trains at points y between a fast sequence z and the average x of that. The result is x, which `averaged` puts
    into the parameters. It is made for `train.schedule: constant`, with `warmup` in front if need be. The average
    weighs each step by the square of its rate.

    Args:
        lr: the learning rate.
        betas: the first, above 0, is the weight of the average in y. The second is the share that the running mean of
            the squared gradient keeps at each step.
        eps: what is added to the root of the mean square.
        weight_decay: the factor, times the rate, by which weights shrink at each step.
    """

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: Positive = 2e-4,
        betas: tuple[Annotated[float, Gt(0), Lt(1)], Decay] = (0.9, 0.999),
        eps: Positive = 1e-8,
        weight_decay: NonNegative = 0.0,
    ) -> None:
        super().__init__(params, lr, betas, eps, weight_decay)
        self.train()

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Within this the parameters hold the average; after it the very bits that they held before."""
        trained = [(p, p.detach().clone()) for group in self.param_groups for p in group["params"] if p in self.state]
        self.eval()
        try:
            yield
        finally:
            with torch.no_grad():
                for p, value in trained:
                    p.copy_(value)
            for group in self.param_groups:
                group["train_mode"] = True

    @staticmethod
    def state_bytes(params: Sequence[Tensor], **settings: Any) -> int:
        return sum(p.nbytes * 2 for p in params)
