from __future__ import annotations

import copy
import math

import pytest
import torch
from torch import Tensor, nn

from gankit.core.recipe import OPTIMIZERS
from gankit.training.optimizers import OptimizerConfig, TFAdam, make


def parameter(*values: float) -> nn.Parameter:
    return nn.Parameter(torch.tensor(values, dtype=torch.float64))


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"type": "adam", "lr": 1e-4, "betas": [0.5, 0.999], "weight_decay": 1e-4}, torch.optim.Adam),
        ({"type": "adamw"}, torch.optim.AdamW),
        ({"type": "sgd", "momentum": 0.9}, torch.optim.SGD),
        ({"type": "rmsprop", "eps": 1e-6}, torch.optim.RMSprop),
        ({"type": "tf_adam"}, TFAdam),
        (OptimizerConfig(), torch.optim.Adam),
    ],
)
def test_made_by_name(config, kind: type) -> None:
    optimizer = make(config, [parameter(1.0)])
    assert type(optimizer) is kind
    settings = config if isinstance(config, dict) else {"lr": 2e-4, "betas": (0.5, 0.999)}
    for name, value in settings.items():
        if name != "type":
            assert optimizer.param_groups[0][name] == (tuple(value) if name == "betas" else value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"type": "lion"}, "no optimizer is called 'lion'; there are adam"),
        ({"rate": 1}, "no setting 'rate'; it has type, lr"),
        ({"type": "adam", "momentum": 0.9}, "adam has no momentum"),
        ({"type": "tf_adam", "weight_decay": 0.1}, "tf_adam has no weight_decay"),
    ],
)
def test_mistakes_are_named(config, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        make(config, [parameter(1.0)])


def test_tf_adam_is_the_epsilon_hat_form_with_shared_powers() -> None:
    lr, b1, b2, eps, stride, offset = 0.1, 0.5, 0.9, 0.05, 4, 2
    p = parameter(1.0)
    optimizer = TFAdam([p], lr, (b1, b2), eps, stride, offset)
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
    one = TFAdam([p], stride=2, offset=1)
    steps(one, p, 3)
    q = nn.Parameter(p.detach().clone())
    other = TFAdam([q])
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    steps(one, p, 3)
    steps(other, q, 3)
    assert torch.equal(p, q)


def test_tf_adam_refuses_an_offset_beyond_the_stride() -> None:
    with pytest.raises(ValueError, match="offset"):
        TFAdam([parameter(1.0)], stride=2, offset=2)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_all_that_a_recipe_can_say_is_understood(name: str) -> None:
    settings = OPTIMIZERS[name](type=name).model_dump(exclude={"type"})
    made = make({"type": name, **settings}, [torch.zeros(2, requires_grad=True)])
    assert {k: made.defaults.get(k, 0) for k in settings} == settings
