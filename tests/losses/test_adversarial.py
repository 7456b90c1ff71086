from __future__ import annotations

import math

import pytest
import torch
from torch import Tensor

from gankit.losses.adversarial import LSGAN, WGAN, Adversarial, Hinge, Vanilla

REAL, FAKE = torch.tensor([[0.5, 2.0]]), torch.tensor([[-3.0, 0.5]])
LOSSES = [LSGAN(), Vanilla(), Vanilla(saturating=True), Hinge(), WGAN()]


def softplus(x: float) -> float:
    return math.log1p(math.exp(x))


@pytest.mark.parametrize(
    ("loss", "generator", "critic"),
    [
        (LSGAN(), (16 + 0.25) / 2, 0.5 * ((0.25 + 1) / 2 + (9 + 0.25) / 2)),
        (LSGAN(halve=False), (16 + 0.25) / 2, (0.25 + 1) / 2 + (9 + 0.25) / 2),
        (LSGAN(0.9, 0.1), (3.9**2 + 0.4**2) / 2, 0.5 * ((0.4**2 + 1.1**2) / 2 + (3.1**2 + 0.4**2) / 2)),
        (
            Vanilla(),
            (softplus(3) + softplus(-0.5)) / 2,
            0.5 * ((softplus(-0.5) + softplus(-2)) / 2 + (softplus(-3) + softplus(0.5)) / 2),
        ),
        (
            Vanilla(saturating=True, halve=False),
            -(softplus(-3) + softplus(0.5)) / 2,  # log(1 - sigmoid(x)) is -softplus(x)
            (softplus(-0.5) + softplus(-2)) / 2 + (softplus(-3) + softplus(0.5)) / 2,
        ),
        (Hinge(), 1.25, 0.5 / 2 + 1.5 / 2),
        (WGAN(), 1.25, -1.25 - 1.25),
        (WGAN(halve=True), 1.25, -1.25),
    ],
)
def test_values(loss: Adversarial, generator: float, critic: float) -> None:
    assert loss(FAKE).item() == pytest.approx(generator, rel=1e-6)
    assert loss.discriminator(REAL, FAKE).item() == pytest.approx(critic, rel=1e-6)


def test_a_sure_critic_teaches_nothing_where_the_loss_saturates() -> None:
    for saturating, expected in ((True, [0.0, -0.5, -1.0]), (False, [-1.0, -0.5, 0.0])):
        logits = torch.tensor([-500.0, 0.0, 500.0], requires_grad=True)
        loss = Vanilla(saturating=saturating)(logits)
        (gradient,) = torch.autograd.grad(loss, logits)
        assert loss.isfinite() and (3 * gradient).tolist() == expected


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_heads_are_added_each_by_its_mean(loss: Adversarial) -> None:
    large, small = torch.randn(2, 1, 8, 8), torch.randn(2, 2)
    assert torch.allclose(loss((large, small)), loss(large) + loss(small))
    both = loss.discriminator((large, small), (small, large))
    assert torch.allclose(both, loss.discriminator(large, small) + loss.discriminator(small, large))


@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_the_players_pull_fakes_apart(loss: Adversarial) -> None:
    def slope(value: Tensor, at: Tensor) -> float:
        return torch.autograd.grad(value.sum(), at)[0].item()

    fake = torch.zeros(1, requires_grad=True)
    assert slope(loss(fake), fake) < 0
    fake = torch.full((1,), 0.5, requires_grad=True)
    assert slope(loss.discriminator(torch.zeros(1), fake), fake) > 0


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("loss", LOSSES, ids=lambda loss: type(loss).__name__)
def test_half_precision_neither_overflows_nor_stays(loss: Adversarial, dtype: torch.dtype) -> None:
    logits = torch.full((1, 1, 40, 40), 400.0, dtype=dtype)  # 400^2 and the sum are beyond float16
    value = loss.discriminator(logits, logits)
    assert value.dtype == torch.float32
    assert torch.equal(value, loss.discriminator(logits.float(), logits.float()))
    assert value.isfinite()


def test_double_precision_stays() -> None:
    assert LSGAN()(FAKE.double()).dtype == torch.float64
