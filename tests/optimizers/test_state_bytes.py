"""What an optimizer will keep, told without making it."""

from __future__ import annotations

from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gankit.inspect.summary import state_bytes
from gankit.optimizers.gradient import SGD, Adam, AdamW, RMSprop
from gankit.optimizers.lbfgs import LBFGS
from gankit.optimizers.schedule_free import ScheduleFreeAdamW
from gankit.optimizers.tf_adam import TFAdam


@pytest.mark.parametrize(
    "factory",
    [
        Adam,
        partial(AdamW, lr=1.0),
        SGD,
        partial(SGD, momentum=0.9),
        RMSprop,
        partial(RMSprop, momentum=0.9),
        TFAdam,
        ScheduleFreeAdamW,
    ],
    ids=str,
)
def test_the_bytes_of_the_state_are_known_beforehand(factory) -> None:
    params = [nn.Parameter(torch.ones(3, 5)), nn.Parameter(torch.ones(7)), nn.Parameter(torch.ones(9), False)]
    optimizer = factory(params)
    for p in params[:2]:
        p.grad = torch.ones_like(p)
    optimizer.step()
    kept = sum(t.nbytes for state in optimizer.state.values() for t in state.values() if isinstance(t, Tensor))
    assert state_bytes(factory, params) == kept


def test_the_bytes_of_lbfgs_are_its_history() -> None:
    params = [nn.Parameter(torch.ones(10))]
    assert state_bytes(partial(LBFGS, history_size=4), params) == (3 + 2 * 4) * 40
    assert state_bytes(LBFGS, params) == (3 + 2 * 100) * 40


def test_what_declares_nothing_counts_as_two_values_for_each() -> None:
    assert state_bytes(torch.optim.Adagrad, [nn.Parameter(torch.ones(10))]) == 80
