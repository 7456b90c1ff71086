"""The blocks that generators are made of, forward and backward, and their first and last convolution."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import reference as theirs
from benchmarks.networks import DTYPES, measure
from benchmarks.parity import same_weights
from gankit.layers import ConvNorm, ResidualBlock, conv
from gankit.norms.adalin import AdaLIN
from gankit.norms.instance import InstanceNorm

ON_GPU = torch.cuda.is_available()
BATCHES, WIDTH, SIDE = ([1, 8], 256, 64) if ON_GPU else ([1], 128, 64)
Made = tuple[nn.Module, nn.Module, int, int]


def residual(width: int, side: int) -> Made:
    return ResidualBlock(width, InstanceNorm), theirs.Residual(width), width, side


def adalin(width: int, side: int) -> Made:
    return ResidualBlock(width, AdaLIN, bias=False), theirs.AdaLINResidual(width), width, side


def down(width: int, side: int) -> Made:
    made = partial(conv, width // 2, width, 3, stride=2, padding="zero")
    return ConvNorm(made, InstanceNorm(width)), theirs.down(width // 2, width), width // 2, 2 * side


def first(width: int, side: int) -> Made:
    made = partial(conv, 3, width // 4, 7)
    plain = [nn.ReflectionPad2d(3), nn.Conv2d(3, width // 4, 7), *theirs.instance_relu(width // 4).children()]
    return ConvNorm(made, InstanceNorm(width // 4)), nn.Sequential(*plain), 3, 4 * side


def last(width: int, side: int) -> Made:
    plain = nn.Sequential(nn.ReflectionPad2d(3), nn.Conv2d(width // 4, 3, 7))
    return conv(width // 4, 3, 7), plain, width // 4, 4 * side


@pytest.mark.parametrize("kind", DTYPES if ON_GPU else ["fp32"])
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("make", [residual, adalin, down, first, last], ids=lambda make: make.__name__)
def test_block(
    make: Callable[[int, int], Made], batch: int, kind: str, device: torch.device, smallest: bool, compare: Callable
) -> None:
    torch.manual_seed(0)
    ours, reference, channels, side = make(*((32, 8) if smallest else (WIDTH, SIDE)))
    same_weights(ours.to(device), reference.to(device))
    inputs: list[Any] = [torch.randn(batch, channels, side, side, device=device, requires_grad=True)]
    if make is adalin:
        style = {name: torch.rand(batch, channels, device=device, requires_grad=True) for name in ("gamma", "beta")}
        inputs.append(style)
    measure(compare, ours, reference, inputs, kind, graph=True)
