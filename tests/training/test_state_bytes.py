"""What an optimizer will keep, told without making it."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gankit.training.optimizers import OptimizerConfig, make, state_bytes


@pytest.mark.parametrize(
    "config",
    [
        {"type": "adam"},
        {"type": "adamw"},
        {"type": "sgd"},
        {"type": "sgd", "momentum": 0.9},
        {"type": "rmsprop"},
        {"type": "rmsprop", "momentum": 0.9},
        {"type": "tf_adam"},
    ],
    ids=str,
)
def test_the_bytes_of_the_state_are_known_beforehand(config) -> None:
    params = [nn.Parameter(torch.ones(3, 5)), nn.Parameter(torch.ones(7)), nn.Parameter(torch.ones(9), False)]
    optimizer = make(config, params)
    for p in params[:2]:
        p.grad = torch.ones_like(p)
    optimizer.step()
    kept = sum(t.nbytes for state in optimizer.state.values() for t in state.values() if isinstance(t, Tensor))
    assert state_bytes(OptimizerConfig(**config), params) == kept


def test_the_bytes_of_lbfgs_are_its_history() -> None:
    params = [nn.Parameter(torch.ones(10))]
    assert state_bytes(OptimizerConfig(type="lbfgs", history_size=4), params) == (3 + 2 * 4) * 40
