from __future__ import annotations

import pytest
import torch
from torch import nn

from gankit.losses.attention_area import AttentionArea
from gankit.losses.cam import CAMLoss
from gankit.losses.reconstruction import L1, Cycle, Identity
from gankit.losses.total_variation import TotalVariation


@pytest.mark.parametrize("loss", [Cycle(), Identity(), L1()], ids=lambda loss: type(loss).__name__)
def test_mean_absolute_difference(loss: nn.Module) -> None:
    first, second = torch.zeros(2, 3, 4, 4), torch.zeros(2, 3, 4, 4)
    first[0, 0, 0, 0] = -2.0
    assert loss(first, second).item() == pytest.approx(2 / 96)
    with pytest.raises(ValueError, match="different shapes"):
        loss(first, second[:, :1])
    assert loss(first.half(), second.half()).dtype == torch.float32


def test_cam_tells_source_from_target() -> None:
    sure = torch.tensor([[30.0, 30.0]])
    assert CAMLoss()(sure, -sure).item() == pytest.approx(0, abs=1e-6)
    assert CAMLoss()(-sure, sure).item() == pytest.approx(60)
    assert CAMLoss()(torch.zeros(1, 2), torch.zeros(1, 2)).item() == pytest.approx(2 * 0.693147, rel=1e-5)


def test_total_variation_of_a_ramp() -> None:
    ramp = torch.arange(5.0).mul(0.5).expand(1, 2, 4, 5)
    assert TotalVariation()(ramp).item() == pytest.approx(0.5)
    assert TotalVariation("squared")(ramp).item() == pytest.approx(0.25)
    assert TotalVariation()(ramp.mT).item() == pytest.approx(0.5)
    with pytest.raises(ValueError, match="2 x 2 px"):
        TotalVariation()(ramp[..., :1])


def test_attention_area_has_a_budget() -> None:
    area = AttentionArea(least=0.2, most=0.4)
    maps = torch.stack([torch.full((1, 2, 2), share) for share in (0.3, 0.5, 0.1)])
    assert area(maps[:1]).item() == 0
    assert area(maps).item() == pytest.approx((0 + 0.1 + 0.1) / 3)
    with pytest.raises(ValueError, match="least"):
        AttentionArea(least=0.5, most=0.4)


def test_attention_area_pulls_back_inside() -> None:
    for share, sign in ((0.9, 1), (0.01, -1)):
        attention = torch.full((1, 1, 2, 2), share, requires_grad=True)
        AttentionArea()(attention).backward()
        assert attention.grad is not None and (attention.grad.sign() == sign).all()
