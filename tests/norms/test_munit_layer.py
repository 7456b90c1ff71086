from __future__ import annotations

import pytest
import torch

from gankit.norms.munit_layer import MUNITLayerNorm


def test_unbiased_deviation_of_the_picture_with_eps_beside_it() -> None:
    torch.manual_seed(0)
    x, norm = torch.randn(3, 6, 7, 5, dtype=torch.float64) * 3 + 1, MUNITLayerNorm(6, eps=0.1).double()
    with torch.no_grad():
        norm.beta.uniform_()
    mean, std = (value.view(3, 1, 1, 1) for value in (x.flatten(1).mean(1), x.flatten(1).std(1)))
    expected = (x - mean) / (std + 0.1) * norm.gamma.view(1, 6, 1, 1) + norm.beta.view(1, 6, 1, 1)
    torch.testing.assert_close(norm(x), expected)


def test_scales_start_anywhere_between_0_and_1() -> None:
    torch.manual_seed(0)
    gamma = MUNITLayerNorm(1000).gamma
    assert 0 <= gamma.min() < 0.05 and 0.95 < gamma.max() <= 1


@pytest.mark.parametrize("shape", [(2, 4, 3, 3), (1, 1, 1, 1)])
def test_flat_features_become_the_offset_with_finite_gradients(shape: tuple[int, ...]) -> None:
    norm, x = MUNITLayerNorm(shape[1]), torch.full(shape, 5.0, requires_grad=True)
    y = norm(x)
    y.sum().backward()
    assert not y.any() and x.grad is not None and bool(x.grad.isfinite().all())
