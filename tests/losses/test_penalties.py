from __future__ import annotations

import pytest
import torch
from torch import Tensor, nn

from gankit.losses.penalties import R1, GradientPenalty, input_gradient


class Linear(nn.Module):
    """D(x) = <w, x>: its gradient is w everywhere."""

    def __init__(self) -> None:
        super().__init__()
        self.w = nn.Parameter(torch.linspace(-1, 1, 12).view(1, 3, 2, 2))

    def forward(self, x: Tensor) -> Tensor:
        return (self.w * x).sum((1, 2, 3))


class Square(nn.Module):
    """D(x) = <x, x> / 2 in two heads of a half: its gradient at x is x."""

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        half = x.square().sum((1, 2, 3)) / 4
        return half, half[:, None]


REAL, FAKE = torch.full((2, 3, 2, 2), 1.0), torch.full((2, 3, 2, 2), -3.0)


def test_linear_critic() -> None:
    critic = Linear()
    norm = critic.w.detach().norm()
    assert torch.allclose(GradientPenalty()(critic, REAL, FAKE), (norm - 1) ** 2)
    assert torch.allclose(GradientPenalty(constant=0)(critic, REAL, FAKE), norm**2)
    assert torch.allclose(R1()(critic, REAL), norm**2 / 2)


def test_the_penalty_trains_the_critic() -> None:
    critic = Linear()
    (gradient,) = torch.autograd.grad(R1()(critic, REAL), critic.w)
    assert torch.allclose(gradient, critic.w.detach())  # of |w|^2 / 2


@pytest.mark.parametrize(("mode", "value"), [("real", 1.0), ("fake", -3.0), ("mixed", 0.25 * 1.0 + 0.75 * -3.0)])
def test_where_the_gradient_is_taken(mode, value: float) -> None:
    penalty = GradientPenalty(0.0, mode)
    alpha = torch.full((2, 1), 0.25)
    assert penalty(Square(), REAL, FAKE, alpha).item() == pytest.approx(12 * value**2)


def test_alpha_is_drawn_per_picture_between_the_two() -> None:
    points = GradientPenalty().points(REAL, FAKE)
    assert points.flatten(1).std(1).max() == 0
    assert points[0, 0, 0, 0] != points[1, 0, 0, 0]
    assert points.min() >= -3 and points.max() <= 1


def test_pictures_get_no_gradient_and_evaluation_works() -> None:
    real = REAL.clone().requires_grad_()
    with torch.no_grad():
        penalty = R1()(Linear(), real)
    assert penalty > 0 and not penalty.requires_grad
    assert not real.grad


def test_runs_in_full_precision_under_autocast() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 4, 3), nn.LeakyReLU(0.2), nn.Conv2d(4, 1, 3))
    x = torch.randn(2, 3, 8, 8)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        under = R1()(critic, x.bfloat16())
    assert torch.equal(under, R1()(critic, x.bfloat16().float()))


def test_a_flat_critic_has_a_finite_gradient() -> None:
    critic = nn.Conv2d(3, 1, 1)
    nn.init.zeros_(critic.weight)
    GradientPenalty()(critic, REAL, FAKE).backward()
    assert critic.weight.grad is not None and critic.weight.grad.isfinite().all()


def test_batch_norm_keeps_its_averages() -> None:
    critic = nn.Sequential(nn.Conv2d(3, 4, 1), nn.BatchNorm2d(4), nn.Conv2d(4, 1, 1))
    input_gradient(critic, torch.randn(2, 3, 4, 4))
    assert critic[1].num_batches_tracked == 1


def test_mixing_different_shapes_is_refused() -> None:
    with pytest.raises(ValueError, match=r"\(2, 3, 2, 2\) and \(1, 3, 2, 2\)"):
        GradientPenalty()(Linear(), REAL, FAKE[:1])
