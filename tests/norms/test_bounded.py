"""rho stays in [0, 1] under any optimizer, without a line in the training loop."""

import copy
import gc
import io

import pytest
import torch

from gankit.norms import bounded
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.bin import BIN


def push(norm, sign, optimizer=torch.optim.SGD):
    """One step that would move rho far out of its bounds."""
    norm.rho.grad = torch.full_like(norm.rho, -sign * 100.0)
    optimizer(norm.parameters(), lr=1.0).step()


def unpickled(module):
    buffer = io.BytesIO()
    torch.save(module, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=False)


@pytest.mark.parametrize("kind", [LIN, AdaLIN, BIN])
@pytest.mark.parametrize("optimizer", [torch.optim.SGD, torch.optim.Adam, torch.optim.AdamW])
@pytest.mark.parametrize(("sign", "bound"), [(1, 1.0), (-1, 0.0)])
def test_a_step_ends_at_the_bound(kind, optimizer, sign, bound):
    norm = kind(3, rho=0.5)
    push(norm, sign, optimizer)
    assert norm.rho.tolist() == [bound] * 3


@pytest.mark.parametrize("again", [copy.deepcopy, unpickled])
def test_copies_are_bounded_too(again):
    norm = again(AdaLIN(3))
    push(norm, 1)
    assert norm.rho.tolist() == [1.0] * 3


def test_only_the_optimizer_that_owns_rho_clamps_it():
    norm, other = AdaLIN(3), torch.nn.Parameter(torch.zeros(1))
    with torch.no_grad():
        norm.rho.fill_(5.0)
    other.grad = torch.ones(1)
    torch.optim.SGD([other], lr=1.0).step()
    assert norm.rho.tolist() == [5.0] * 3


def test_other_parameters_are_free():
    norm = LIN(3)
    norm.gamma.grad = torch.full((3,), -7.0)
    torch.optim.SGD(norm.parameters(), lr=1.0).step()
    assert norm.gamma.tolist() == [8.0] * 3


def test_modules_are_not_kept_alive():
    norm = AdaLIN(3)
    before = len(bounded._alive)
    del norm
    gc.collect()
    assert len(bounded._alive) < before
