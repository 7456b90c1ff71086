"""Norms of whole pictures as a scale and an offset, from statistics that were gathered elsewhere."""

from __future__ import annotations

from functools import partial

import pytest
import torch

from gankit.norms.adain import AdaIN
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.group import GroupNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.layer import LayerNorm
from gankit.norms.munit_layer import MUNITLayerNorm
from gankit.norms.rules import is_adaptive

NORMS = {
    "instance": InstanceNorm,
    "affine": partial(InstanceNorm, affine=True),
    "group": partial(GroupNorm, groups=2),
    "layer": LayerNorm,
    "lin": LIN,
    "biased lin": partial(LIN, rho=0.3, unbiased=False),
    "munit_layer": MUNITLayerNorm,
    "adain": AdaIN,
    "adalin": AdaLIN,
}


@pytest.mark.parametrize("make", NORMS.values(), ids=NORMS)
def test_scale_and_offset_are_the_norm(make) -> None:
    torch.manual_seed(0)
    norm = make(6).double()
    with torch.no_grad():
        for parameter in norm.parameters():
            parameter.add_(torch.rand_like(parameter) * 0.5)
    x = torch.randn(2, 6, 5, 7, dtype=torch.float64) * 3 + 10
    style = (torch.randn(2, 6).double(), torch.randn(2, 6).double()) if is_adaptive(norm) else ()
    variance, mean = torch.var_mean(x, (2, 3), correction=0)
    scale, offset = norm.coefficients(mean, variance, 35, *style)
    torch.testing.assert_close(x * scale[..., None, None] + offset[..., None, None], norm(x, *style))
