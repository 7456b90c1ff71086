"""The kernels on maps as large as trainings have, and larger, against float64: on a GPU alone."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from gankit.kernels.normalize import normalize
from tests.gpu import DEVICE, MARKS
from tests.kernels.test_normalize import draw, pair

pytestmark = MARKS
ON_GPU = DEVICE.type == "cuda"
LARGE = (16, 64, 256, 256) if ON_GPU else (2, 4, 32, 32)
BEYOND = (1, 129, 4096, 4096) if ON_GPU else (1, 5, 8, 8)
"""More elements than 32 bits can count, with their sign."""
TOLERANCE = {torch.float32: 1e-3, torch.bfloat16: 2e-2, torch.float16: 4e-3}
"""Of the Euclidean norm of a difference, by that of what is right."""


def off(ours: torch.Tensor, exact: torch.Tensor) -> float:
    return ((ours.double() - exact).norm() / exact.norm()).item()


@pytest.mark.parametrize("last", [False, True], ids=["nchw", "nhwc"])
@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("mixed", [False, True], ids=["instance+relu+residual", "adalin"])
def test_large_maps_against_float64(mixed: bool, dtype: torch.dtype, last: bool, record_property: Callable) -> None:
    torch.manual_seed(0)
    options = {"groups": 1, "mixed": True, "affine": "picture"} if mixed else {"residual": True}
    given, dy = draw(LARGE, dtype, last=last, shift=3.0, **options)
    rule = {"groups": 1, "unbiased": True} if mixed else {"slope": 0.0}
    errors = [off(ours, exact) for ours, exact in zip(*pair(given, dy, **rule), strict=True)]
    record_property("relative_errors", errors)
    assert max(errors) <= TOLERANCE[dtype]


def test_a_map_of_more_than_2_to_the_31_elements(record_property: Callable) -> None:
    """The last channel lies beyond; it is normalized by itself, so it is held against itself alone."""
    torch.manual_seed(0)
    x = torch.randn(BEYOND, device=DEVICE, dtype=torch.bfloat16 if ON_GPU else torch.float32).requires_grad_()
    y = normalize(x, slope=0.0)
    (found,) = torch.autograd.grad(y, x, torch.ones_like(y))
    part = x.detach()[:, -1:].double().requires_grad_()
    variance, mean = torch.var_mean(part, (2, 3), correction=0, keepdim=True)
    exact = ((part - mean) / (variance + 1e-5).sqrt()).relu()
    (gradient,) = torch.autograd.grad(exact, part, torch.ones_like(exact))
    errors = [off(y.detach()[:, -1:], exact.detach()), off(found[:, -1:], gradient)]
    record_property("relative_errors", errors)
    assert max(errors) <= 2e-2
