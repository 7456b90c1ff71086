from __future__ import annotations

import inspect
from collections import namedtuple

import pytest
import torch
from torch import nn

from gankit.core.catalogue import catalogue
from gankit.methods.joined import Joined, separate, split
from gankit.norms.bin import BIN

PARTS = [(kind, entry.name) for kind in ("generator", "discriminator") for entry in catalogue().entries(kind)]
BUILT_IN = [(kind, name) for kind, name in PARTS if "/" not in name]


def small(kind: str, name: str) -> nn.Module:
    """The component, as narrow as it can be said to be."""
    make = catalogue().find(kind, name).make
    known = inspect.signature(make).parameters
    options = {"channels": 4} if "channels" in known else {}
    channels = [p for p in known.values() if p.default is p.empty and p.kind is p.POSITIONAL_OR_KEYWORD]
    torch.manual_seed(0)
    return make(*(3 for _ in channels), **options).double().train()


@pytest.mark.parametrize(("kind", "name"), BUILT_IN)
def test_what_is_called_separate_treats_pictures_apart(kind: str, name: str) -> None:
    network = small(kind, name)
    if not separate(network) or getattr(network, "takes_noise", False) or "hole" in getattr(network, "takes", ()):
        pytest.skip("its calls are never joined")
    side = getattr(network, "fixed_size", None) or max(32, getattr(network, "min_size", 1))
    pictures = [torch.rand(n, 3, side, side, dtype=torch.float64) * 2 - 1 for n in (1, 2)]
    apart = [network(picture) for picture in pictures]
    for ours, theirs in zip(Joined()(network, *pictures), apart, strict=True):
        torch.testing.assert_close(ours, theirs, rtol=0, atol=1e-12)


class Stranger(nn.Module):
    """As a plugin's: it looks across the batch, and nothing about it says so."""

    def __init__(self) -> None:
        super().__init__()
        self.conv = nn.Conv2d(3, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x - x.mean(0))


@pytest.mark.parametrize(
    ("layer", "alone"),
    [
        (nn.Conv2d(3, 3, 3), True),
        (nn.InstanceNorm2d(3), True),
        (nn.BatchNorm2d(3), False),
        (BIN(3), False),
        (nn.Dropout(), False),
        (Stranger(), False),
    ],
)
def test_layers_that_see_other_pictures_are_known(layer: nn.Module, alone: bool) -> None:
    assert separate(nn.Sequential(nn.Conv2d(3, 3, 1), layer)) is alone


Pair = namedtuple("Pair", "image logits")


def test_results_are_split_as_they_were_joined() -> None:
    x = torch.arange(3.0)[:, None]
    first, second = split(Pair(x, (x * 2, None)), [1, 2])
    assert type(first) is Pair and first.image.tolist() == [[0.0]] and second.logits[0].tolist() == [[2.0], [4.0]]
    assert first.logits[1] is None
