"""Norms in half precision outside of autocast, where torch's own refuse fp32 weights on a GPU."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import pytest
import torch
from torch import nn

from gankit.norms.adalin import LIN
from gankit.norms.group import GroupNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.layer import LayerNorm
from tests.gpu import DEVICE, MARKS

pytestmark = MARKS
NORMS: dict[str, Callable[[int], nn.Module]] = {
    "group": partial(GroupNorm, groups=4),
    "layer": LayerNorm,
    "instance": InstanceNorm,
    "lin": LIN,
}


@pytest.mark.parametrize("side", [9, 96], ids=["small", "large"])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16], ids=["bf16", "fp16"])
@pytest.mark.parametrize("name", NORMS)
def test_half_precision_outside_of_autocast(name: str, dtype: torch.dtype, side: int) -> None:
    torch.manual_seed(0)
    norm = NORMS[name](8).to(DEVICE)
    x, dy = (torch.randn(2, 8, side, side, device=DEVICE).to(dtype) for _ in range(2))
    x.requires_grad_()
    y = norm(x)
    found = [y, *torch.autograd.grad(y, [x, *norm.parameters()], dy)]
    assert y.dtype == dtype and [g.dtype for g in found[2:]] == [torch.float32] * (len(found) - 2)
    exact, wide = norm.double(), x.detach().double().requires_grad_()
    right = exact(wide)
    for ours, theirs in zip(
        found, [right, *torch.autograd.grad(right, [wide, *exact.parameters()], dy.double())], strict=True
    ):
        assert ((ours.double() - theirs).norm() / theirs.norm()).item() < 2e-2
