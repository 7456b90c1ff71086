"""Convolutions, norms and residual blocks put together."""

from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.conditions import STYLE
from gankit.layers import Conv2d, ConvNorm, ConvTranspose2d, ResidualBlock, conv, slope_of
from gankit.norms.adain import AdaIN
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.batch import BatchNorm
from gankit.norms.group import GroupNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.layer import LayerNorm
from gankit.norms.rules import is_adaptive, normed

NORMS = [InstanceNorm, partial(InstanceNorm, affine=True), BatchNorm, LayerNorm, partial(GroupNorm, groups=2), LIN]
STYLED = [AdaIN, AdaLIN]
CONVOLUTIONS = {
    "reflected": partial(conv, 3, 4, 3),
    "strided": partial(conv, 3, 4, 3, stride=2, padding="zero"),
    "tensorflow": partial(conv, 3, 4, 3, stride=2, geometry="tensorflow"),
    "plain": partial(Conv2d, 3, 4, 5),
    "transposed": partial(ConvTranspose2d, 3, 4, 3, stride=2, padding=1, output_padding=1),
    "enlarged": lambda bias: nn.Sequential(nn.Upsample(scale_factor=2), conv(3, 4, 3, bias=bias)),
}


def name(value: Any) -> str:
    return getattr(value, "__name__", type(value).__name__)


@pytest.mark.parametrize("make", [*NORMS, *STYLED], ids=name)
@pytest.mark.parametrize("slope", [1.0, 0.0, 0.2])
def test_a_fused_norm_is_the_norm_then_the_sum_then_the_activation(make: Any, slope: float) -> None:
    torch.manual_seed(0)
    norm, x, residual = make(4).double(), *torch.randn(2, 2, 4, 5, 5).double()
    style = dict(zip(STYLE, torch.randn(2, 2, 4).double(), strict=True)) if is_adaptive(norm) else {}
    plain = norm(x, **style) + residual
    expected = torch.where(plain > 0, plain, slope * plain)
    torch.testing.assert_close(normed(norm, x, style, slope=slope, residual=residual), expected)


def test_a_norm_that_knows_nothing_of_fusing_is_called_with_its_input_alone() -> None:
    class Doubled(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            return 2 * x

    x = torch.randn(1, 2, 3, 3)
    torch.testing.assert_close(normed(Doubled(), x, slope=0.0, residual=x), F.relu(3 * x))


@pytest.mark.parametrize("make", CONVOLUTIONS.values(), ids=CONVOLUTIONS)
@pytest.mark.parametrize("norm", [InstanceNorm, AdaIN])
def test_a_bias_that_the_norm_takes_off_is_kept_but_neither_added_nor_learned(make: Any, norm: Any) -> None:
    torch.manual_seed(0)
    unit = ConvNorm(make, norm(4), bias=True).double()
    last = unit.conv[-1] if isinstance(unit.conv, nn.Sequential) else unit.conv
    nn.init.normal_(last.bias, std=3)
    x, style = torch.randn(2, 3, 9, 9).double(), dict(zip(STYLE, torch.randn(2, 2, 4).double(), strict=True))
    y = unit(x, style)
    y.sum().backward()
    without = unit.conv(x)
    last.adds_bias = True
    torch.testing.assert_close(unit.conv(x), without + last.bias[:, None, None])
    torch.testing.assert_close(unit(x, style), y)
    assert "bias" in "".join(unit.state_dict()) and not last.bias.requires_grad and last.bias.grad is None
    assert last.weight.grad is not None
    assert all(p.requires_grad for p in ConvNorm(make, norm(4), bias=True, tapped=True).parameters())


def test_a_convolution_without_its_bias_is_called_like_any_other_module() -> None:
    """torch's spectral norm and pruning, and those who look at features, hang hooks on it; or it is exchanged."""
    unit, x = ConvNorm(CONVOLUTIONS["plain"], InstanceNorm(4)), torch.randn(1, 3, 8, 8)
    seen: list[Tensor] = []
    unit.conv.register_forward_hook(lambda module, inputs, output: seen.append(output))
    expected = unit(x)
    torch.testing.assert_close(unit.finish(seen[0]), expected)
    theirs = nn.Conv2d(3, 4, 5)
    theirs.load_state_dict(unit.conv.state_dict())
    unit.conv = theirs
    torch.testing.assert_close(unit(x), expected)


def test_the_bias_in_front_of_other_norms_is_added() -> None:
    unit = ConvNorm(CONVOLUTIONS["plain"], nn.Identity(), bias=True, relu=False)
    assert unit.conv.bias.requires_grad
    x = torch.randn(1, 3, 8, 8)
    torch.testing.assert_close(unit(x), F.conv2d(x, unit.conv.weight, unit.conv.bias))


@pytest.mark.parametrize("padding", ["reflect", "replicate", "zero"])
def test_our_convolution_is_torchs(padding: Any) -> None:
    torch.manual_seed(0)
    ours = conv(3, 4, 3, stride=2, padding=padding)
    theirs = nn.Conv2d(3, 4, 3, 2, 1, padding_mode="zeros" if padding == "zero" else padding)
    theirs.load_state_dict(ours.state_dict())
    x = torch.randn(1, 3, 9, 7)
    assert torch.equal(ours(x), theirs(x))
    ours.adds_bias = False
    torch.testing.assert_close(ours(x) + ours.bias[:, None, None], theirs(x))


@pytest.mark.parametrize("after", [False, True])
def test_a_residual_block_is_what_its_docstring_says(after: bool) -> None:
    torch.manual_seed(0)
    block = ResidualBlock(4, LIN, relu_after_sum=after).double()
    x = torch.randn(2, 4, 6, 6).double()
    inner = block.first.norm(block.first.conv(x)).relu()
    expected = x + block.second.norm(block.second.conv(inner))
    torch.testing.assert_close(block(x), expected.relu() if after else expected)


def test_activations_with_a_slope_are_known() -> None:
    assert slope_of(F.relu) == 0
    assert slope_of(partial(F.leaky_relu, negative_slope=0.2)) == 0.2
    assert slope_of(torch.tanh) is None
