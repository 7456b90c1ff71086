"""Whole networks, forward and backward: as steps use them, so the host's overhead counts."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from torch import nn

from benchmarks import reference as theirs
from benchmarks.networks import DTYPES, measure
from benchmarks.parity import same_weights
from gankit.attention.mask import MaskAttention
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.ugatit import UGATITGenerator

ON_GPU = torch.cuda.is_available()
BATCHES, WIDTH, SIDE = ([1, 8], 64, 256) if ON_GPU else ([1], 32, 128)


def resnet(width: int) -> tuple[nn.Module, nn.Module | None]:
    return ResnetGenerator(3, 3, channels=width), theirs.generator(width)


def ugatit(width: int) -> tuple[nn.Module, nn.Module | None]:
    """Against the same network with the norms in the form of the reference code."""
    norms = {"norm": theirs.AdaLIN, "encoder_norm": nn.InstanceNorm2d, "decoder_norm": theirs.LIN}
    return UGATITGenerator(3, 3, channels=width), UGATITGenerator(3, 3, channels=width, **norms)


def agit(width: int) -> tuple[nn.Module, nn.Module | None]:
    return MaskAttention(3, channels=width // 2), None


def patch(width: int) -> tuple[nn.Module, nn.Module | None]:
    return PatchDiscriminator(3, channels=width), theirs.critic(width)


@pytest.mark.parametrize("kind", DTYPES)
@pytest.mark.parametrize("batch", BATCHES)
@pytest.mark.parametrize("make", [resnet, ugatit, agit, patch], ids=lambda make: make.__name__)
def test_net(
    make: Callable[[int], tuple[nn.Module, nn.Module | None]],
    batch: int,
    kind: str,
    device: torch.device,
    smallest: bool,
    compare: Callable,
) -> None:
    torch.manual_seed(0)
    ours, reference = make(8 if smallest else WIDTH)
    ours.to(device)
    if reference is not None:
        same_weights(ours, reference.to(device))
    side = 64 if smallest else SIDE
    picture = torch.rand(batch, 3, side, side, device=device, requires_grad=True)
    measure(compare, ours, reference, [picture], kind, graph=False)
