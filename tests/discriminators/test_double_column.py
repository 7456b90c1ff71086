"""LBAM's critic: its two columns."""

from __future__ import annotations

import pytest
import torch

from gankit.discriminators.double_column import DoubleColumnDiscriminator
from gankit.norms.instance import InstanceNorm


def test_size_and_shapes() -> None:
    with torch.device("meta"):
        assert sum(p.numel() for p in DoubleColumnDiscriminator(3).parameters()) == 22_316_417
    net = DoubleColumnDiscriminator(3, channels=2, levels=2)
    assert net.min_size == 16
    assert net(torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16)).shape == (2, 1, 1, 1)
    assert net(torch.rand(2, 3, 32, 24), torch.ones(2, 1, 32, 24)).shape == (2, 1, 5, 3)
    with pytest.raises(ValueError, match="at least, not 12 x 12: give it larger crops, or fewer"):
        net(torch.rand(1, 3, 12, 12), torch.ones(1, 1, 12, 12))


def test_each_column_sees_its_part() -> None:
    torch.manual_seed(0)
    net = DoubleColumnDiscriminator(3, channels=2, levels=2, norm=InstanceNorm)
    x, hole = torch.rand(1, 3, 16, 16, requires_grad=True), torch.zeros(1, 1, 16, 16)
    hole[..., :8] = 1
    for column, inside in ((net.known, hole == 0), (net.filled, hole == 1)):
        kept = []
        handle = column.register_forward_hook(lambda *args, kept=kept: kept.append(args[2]))
        net(x, hole)
        handle.remove()
        (slope,) = torch.autograd.grad(kept[0].square().sum(), x)
        assert (slope[~inside.expand_as(slope)] == 0).all() and slope[inside.expand_as(slope)].any()


def test_probabilities_instead_of_logits() -> None:
    torch.manual_seed(0)
    logits = DoubleColumnDiscriminator(3, channels=2, levels=2).eval()
    likely = DoubleColumnDiscriminator(3, channels=2, levels=2, sigmoid=True).eval()
    likely.load_state_dict(logits.state_dict())
    x, hole = torch.rand(2, 3, 16, 16), torch.ones(2, 1, 16, 16)
    torch.testing.assert_close(likely(x, hole), logits(x, hole).sigmoid())
