"""Losses of the hole and of the known part."""

from __future__ import annotations

import pytest
import torch

from gankit.losses.masked import MaskedL1, MaskedVariation


def test_masked_l1() -> None:
    target, hole = torch.zeros(1, 2, 4, 4), torch.zeros(1, 1, 4, 4)
    hole[..., 0, :2] = 1  # 2 of 16 pixels
    output = torch.where(hole > 0, 0.8, 0.4).expand_as(target)
    assert MaskedL1("hole")(output, target, hole).item() == pytest.approx(0.8 * 2 / 16)
    assert MaskedL1("valid")(output, target, hole).item() == pytest.approx(0.4 * 14 / 16)
    assert MaskedL1("hole", "region")(output, target, hole).item() == pytest.approx(0.8)
    assert MaskedL1("valid", "region")(output, target, hole).item() == pytest.approx(0.4)
    assert MaskedL1("hole", "region")(output, target, torch.zeros_like(hole)).item() == 0
    with pytest.raises(ValueError, match="different shapes"):
        MaskedL1()(output, target[..., :3], hole)


def test_variation_near_the_hole_alone() -> None:
    picture, hole = torch.zeros(1, 1, 8, 8), torch.zeros(1, 1, 8, 8)
    hole[..., 4, 4] = 1
    picture[..., 4, 4] = 1.0  # four edges of height 1, in the hole widened by 1 px
    assert MaskedVariation()(picture, hole).item() == pytest.approx(4 / 64)
    far = picture.clone()
    far[..., 0, 0] = 5.0
    assert torch.equal(MaskedVariation()(far, hole), MaskedVariation()(picture, hole))
