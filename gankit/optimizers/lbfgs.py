"""L-BFGS for objectives that stay the same."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Annotated, Any, ClassVar, Literal

import torch
from annotated_types import Le
from torch import Tensor

from gankit.optimizers.numbers import Count, Positive


class LBFGS(torch.optim.LBFGS):
    """torch's L-BFGS (doi 10.1007/BF01589116), for objectives that stay the same from step to step: that of `gatys`.

    It never stops early. The recipe says how long it runs, because torch's thresholds depend on the scale of the
    objective.

    Args:
        lr: the factor on the direction of an iteration, unless a line search finds how far to go.
        max_iter: how many iterations a step has.
        history_size: how many past gradients it remembers.
        line_search_fn: `strong_wolfe` searches how far each iteration moves. Without it, each moves by `lr` times its
            direction.
    """

    searches: ClassVar[bool] = True
    plain_layout: ClassVar[bool] = True

    def __init__(
        self,
        params: Iterable[Tensor],
        *,
        lr: Positive = 1.0,
        max_iter: Annotated[Count, Le(100_000)] = 20,
        history_size: Count = 100,
        line_search_fn: Literal["strong_wolfe"] | None = None,
    ) -> None:
        super().__init__(
            params,
            lr,
            max_iter,
            tolerance_grad=0.0,
            tolerance_change=0.0,
            history_size=history_size,
            line_search_fn=line_search_fn,
        )

    @staticmethod
    def state_bytes(params: Sequence[Tensor], history_size: int = 100, **settings: Any) -> int:
        """Two past vectors for each of its history, three of the present."""
        return sum(p.nbytes * (3 + 2 * history_size) for p in params)
