"""The optimizers: what they compute, what a recipe can say of them."""

from __future__ import annotations

import copy
import math
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from gankit.core.catalogue import catalogue
from gankit.core.schema import build_component, spec_of
from gankit.optimizers.gradient import SGD, Adam, AdamW, RMSprop
from gankit.optimizers.lbfgs import LBFGS
from gankit.optimizers.tf_adam import TFAdam

BUILT_IN = [entry for entry in catalogue().entries("optimizer") if entry.source == "gankit"]


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


@pytest.mark.parametrize("entry", BUILT_IN, ids=lambda entry: entry.name)
def test_all_that_a_recipe_can_say_reaches_torch(entry) -> None:
    spec = spec_of(entry)(type=entry.qualified)
    settings = spec.model_dump(exclude={"type"})
    made = build_component(spec)([parameter(1.0)])
    assert isinstance(made, torch.optim.Optimizer)
    assert {name: made.param_groups[0][name] for name in settings} == settings


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        (
            partial(Adam, lr=0.1, betas=(0.5, 0.9), weight_decay=0.1),
            partial(torch.optim.Adam, lr=0.1, betas=(0.5, 0.9), weight_decay=0.1),
        ),
        (
            partial(AdamW, lr=0.1, betas=(0.5, 0.9), weight_decay=0.1),
            partial(torch.optim.AdamW, lr=0.1, betas=(0.5, 0.9), weight_decay=0.1),
        ),
        (
            partial(SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
            partial(torch.optim.SGD, lr=0.1, momentum=0.9, weight_decay=0.1),
        ),
        (
            partial(RMSprop, lr=0.1, alpha=0.8, eps=1e-3, momentum=0.5, weight_decay=0.1),
            partial(torch.optim.RMSprop, lr=0.1, alpha=0.8, eps=1e-3, momentum=0.5, weight_decay=0.1),
        ),
    ],
    ids=["adam", "adamw", "sgd", "rmsprop"],
)
def test_they_are_torchs(ours, theirs) -> None:
    """Adam's one pass over all parameters rounds in its own way."""
    moved = []
    for make in (ours, theirs):
        p = parameter(1.0, -2.0)
        optimizer = make([p])
        for _ in range(3):
            p.grad = torch.tensor([0.5, -3.0], dtype=torch.float64)
            optimizer.step()
        moved.append(p.detach())
    torch.testing.assert_close(moved[0], moved[1], rtol=1e-12, atol=0)


@pytest.mark.parametrize("make", [Adam, AdamW])
def test_one_pass_over_all_parameters_where_they_have_values(make) -> None:
    assert make([parameter(1.0)]).param_groups[0]["fused"]
    assert make([{"params": [parameter(1.0)]}]).param_groups[0]["fused"]
    assert not make([nn.Parameter(torch.empty(1, device="meta"))]).param_groups[0]["fused"]


def test_tf_adam_is_the_epsilon_hat_form_with_shared_powers() -> None:
    lr, b1, b2, eps = 0.1, 0.5, 0.9, 0.05
    p = parameter(1.0)
    optimizer = TFAdam([p], lr=lr, betas=(b1, b2), eps=eps)
    optimizer.take_turn(2, 4)
    x, m, v = 1.0, 0.0, 0.0
    for i, g in enumerate([0.3, -0.2, 0.7, 0.01]):
        p.grad = torch.tensor([g], dtype=torch.float64)
        optimizer.step()
        t = 4 * i + 2 + 1
        m, v = b1 * m + (1 - b1) * g, b2 * v + (1 - b2) * g * g
        x -= lr * math.sqrt(1 - b2**t) / (1 - b1**t) * m / (math.sqrt(v) + eps)
        assert p.item() == pytest.approx(x, rel=1e-14)


def test_tf_adam_counts_updates_without_a_gradient() -> None:
    frozen, busy = parameter(1.0), parameter(1.0)
    optimizer = TFAdam([frozen, busy])
    for _ in range(3):
        busy.grad = torch.ones_like(busy)
        optimizer.step()
    late = parameter(1.0)
    frozen.grad, late.grad = torch.ones_like(frozen), torch.ones_like(late)
    optimizer.step()
    first = TFAdam([late])
    first.step()
    assert frozen.item() != late.item()  # its first update is the optimizer's fourth
    assert first.param_groups[0]["iteration"] == 1


def test_tf_adam_resumes_exactly() -> None:
    def steps(optimizer: TFAdam, p: Tensor, n: int) -> None:
        for _ in range(n):
            p.grad = p.detach() * 2
            optimizer.step()

    p = parameter(1.0, -2.0)
    one = TFAdam([p])
    one.take_turn(1, 2)
    steps(one, p, 3)
    q = nn.Parameter(p.detach().clone())
    other = TFAdam([q])
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    steps(one, p, 3)
    steps(other, q, 3)
    assert torch.equal(p, q)


def test_tf_adam_refuses_a_place_beyond_the_count() -> None:
    with pytest.raises(ValueError, match="number"):
        TFAdam([parameter(1.0)]).take_turn(2, 2)


def test_lbfgs_never_stops_early() -> None:
    """On a flat spot torch's thresholds would end the step after one evaluation."""
    p, evaluations = parameter(1e-9), 0
    optimizer = LBFGS([p], lr=0.1, max_iter=5)

    def objective() -> Tensor:
        nonlocal evaluations
        evaluations += 1
        optimizer.zero_grad()
        loss = 1e-6 * p.square().sum()
        loss.backward()
        return loss

    optimizer.step(objective)
    assert evaluations == 5
