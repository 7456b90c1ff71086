"""Losses on the features of a picture, forward and backward."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import Tensor, nn

from benchmarks import reference as theirs
from benchmarks.parity import check, outputs
from gankit.losses.adversarial import LSGAN
from gankit.losses.gram_style import gram
from gankit.losses.total_variation import TotalVariation

ON_GPU = torch.cuda.is_available()
BATCH, SIDE = (8, 256) if ON_GPU else (1, 128)


def gram_style(features: Tensor, style: Tensor) -> Tensor:
    return nn.functional.mse_loss(gram(features), gram(style))


CASES = {
    "gram": (gram_style, theirs.gram_style, 64, 2),
    "total_variation": (TotalVariation(), theirs.total_variation, 3, 1),
    "lsgan": (LSGAN(), theirs.least_squares, 1, 1),
}
"""Ours, the reference form, channels, number of inputs."""


@pytest.mark.parametrize("name", CASES)
def test_loss(name: str, device: torch.device, smallest: bool, compare: Callable) -> None:
    ours, reference, channels, number = CASES[name]
    shape = (1, channels, 16, 16) if smallest else (BATCH, channels, SIDE, SIDE)
    torch.manual_seed(0)
    inputs = [torch.randn(shape, device=device) for _ in range(number)]
    inputs[0].requires_grad_()

    def agree() -> None:
        exact = [t.detach().double().requires_grad_(t.requires_grad) for t in inputs]
        check(outputs(ours, inputs), outputs(reference, exact), torch.float32)

    compare(
        partial(both, ours, inputs),
        partial(both, reference, inputs),
        check=agree,
        nbytes=4 * math.prod(shape) * (number + 2),  # every input once, the first once more, its gradient once
        graph=True,
    )


def both(loss: Callable[..., Tensor], inputs: list[Tensor]) -> None:
    inputs[0].grad = None
    loss(*inputs).backward()
