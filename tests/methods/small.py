"""Methods small enough to be trained in a test."""

from __future__ import annotations

from collections import Counter
from functools import partial

import torch
from torch import Tensor

from gankit.attention.mask import MaskAttention
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.methods.attention_guided import AttentionGuided
from gankit.methods.base import Method
from gankit.methods.cyclegan import CycleGAN

generator = partial(ResnetGenerator, channels=2, blocks=1)
critic = partial(PatchDiscriminator, channels=2, layers=1)
mask = partial(MaskAttention, channels=2)


def cyclegan(**options) -> CycleGAN:
    torch.manual_seed(0)
    return CycleGAN(generator, critic, **options)


def agit(**options) -> AttentionGuided:
    torch.manual_seed(0)
    return AttentionGuided(generator, mask, critic, **options)


def batch(size: int = 16, n: int = 1) -> dict[str, Tensor]:
    draws = torch.Generator().manual_seed(1)
    return {name: torch.rand(n, 3, size, size, generator=draws) * 2 - 1 for name in ("a", "b")}


def count_calls(method: Method) -> Counter[str]:
    """A counter that each call of a network raises under its key."""
    calls: Counter[str] = Counter()
    for key, network in method.networks.items():
        network.register_forward_hook(lambda *_, key=key: calls.update([key]))
    return calls
