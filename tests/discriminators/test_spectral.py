from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn

from gankit.discriminators.spectral import SpectralConv2d, SpectralLinear


def pair(conv: bool) -> tuple[Any, Any, torch.Tensor]:
    """Our layer, torch's old-style one with the same numbers, and an input."""
    if conv:
        ours, plain, x = SpectralConv2d(3, 5, 4, 2, 1), nn.Conv2d(3, 5, 4, 2, 1), torch.randn(2, 3, 8, 8)
    else:
        ours, plain, x = SpectralLinear(6, 4, bias=False), nn.Linear(6, 4, bias=False), torch.randn(2, 6)
    torchs = nn.utils.spectral_norm(plain)
    names = {"weight": "weight_orig", "u": "weight_u", "v": "weight_v", "bias": "bias"}
    torchs.load_state_dict({names[k]: v for k, v in ours.state_dict().items()})
    return ours, torchs, x


@pytest.mark.filterwarnings("ignore:.*spectral_norm.*:FutureWarning")
@pytest.mark.parametrize("conv", [True, False])
def test_follows_torchs_old_spectral_norm(conv: bool) -> None:
    torch.manual_seed(0)
    ours, torchs, x = pair(conv)
    for training in (True, True, False, True):  # one power iteration at each training forward, none in evaluation
        a, b = ours.train(training)(x), torchs.train(training)(x)
        assert torch.allclose(a, b, atol=1e-6)
        (mine,) = torch.autograd.grad(a.square().sum(), ours.weight)
        (theirs,) = torch.autograd.grad(b.square().sum(), torchs.weight_orig)
        assert torch.allclose(mine, theirs, rtol=1e-4, atol=1e-5)
        assert torch.allclose(ours.u, torchs.weight_u, atol=1e-6) and torch.allclose(ours.v, torchs.weight_v, atol=1e-6)


def test_converges_to_the_spectral_norm() -> None:
    torch.manual_seed(0)
    layer = SpectralLinear(7, 5)
    for _ in range(100):
        layer.normalized_weight()
    assert torch.linalg.matrix_norm(layer.normalized_weight(), 2).item() == pytest.approx(1, abs=1e-4)


def test_two_forwards_before_one_backward() -> None:
    layer = SpectralConv2d(3, 4, 3)
    x = torch.randn(1, 3, 8, 8)
    layer.eval()
    first = layer(x)  # reads the buffers that the next forward changes
    layer.train()
    (first.sum() + layer(x).sum()).backward()
    assert layer.weight.grad is not None and layer.weight.grad.isfinite().all()


def test_estimate_is_in_full_precision_under_autocast() -> None:
    torch.manual_seed(0)
    layer = SpectralConv2d(3, 4, 3)
    twin = copy.deepcopy(layer)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert layer.normalized_weight().dtype == torch.float32
    twin.normalized_weight()
    assert torch.equal(layer.u, twin.u)


def test_copies_and_pickles() -> None:
    layer = SpectralConv2d(3, 4, 3).eval()
    x = torch.randn(1, 3, 5, 5)
    for twin in (copy.deepcopy(layer), pickle.loads(pickle.dumps(layer))):
        assert torch.equal(twin(x), layer(x))
