"""Losses that learn, and networks with a part that does not."""

from __future__ import annotations

from functools import partial
from typing import Annotated, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gankit
from gankit.backbones.squeezenet import SqueezeNet
from gankit.generators.resnet import ResnetGenerator
from gankit.slots import Backbone, Ge


class Tempered(nn.Module):
    """|output - source| by a learned tolerance: log t + |.| / t."""

    def __init__(self, start: float = 0.5) -> None:
        super().__init__()
        self.log = nn.Parameter(torch.tensor(start).log())
        self.mix = nn.Conv2d(3, 2, 1)
        self.register_buffer("seen", torch.zeros(()))

    def forward(self, reconstruction: Tensor, source: Tensor) -> Tensor:
        return (self.mix(reconstruction) - self.mix(source)).abs().mean() / self.log.exp() + self.log


class Margin(nn.Module):
    """A hinge with a learned margin, which both players' losses have."""

    def __init__(self) -> None:
        super().__init__()
        self.margin = nn.Parameter(torch.ones(()))

    def forward(self, fake_logits: Tensor) -> Tensor:
        return -(fake_logits * self.margin).mean()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return F.relu(self.margin - real_logits).mean() + F.relu(self.margin + fake_logits).mean()


class CriticsMargin(Margin):
    learns_in: ClassVar[str] = "discriminator"


class LostMargin(Margin):
    learns_in: ClassVar[str] = "referee"


def register() -> None:
    """Under these names, for as long as the catalogue lives."""
    for kind, name, make in (
        ("loss", "tempered", Tempered),
        ("loss", "margin", Margin),
        ("loss", "critics_margin", CriticsMargin),
        ("loss", "lost_margin", LostMargin),
        ("discriminator", "projected", Projected),
        ("generator", "steered", Steered),
    ):
        gankit.register(kind, name)(make)


random = partial(SqueezeNet, weights="random")


class Projected(nn.Module):
    """A critic that judges the features of a frozen network."""

    def __init__(self, in_channels: int, *, channels: Annotated[int, Ge(1)] = 4, features: Backbone = random) -> None:
        super().__init__()
        self.layers = features(()).layer_names[1:2]
        self.eyes = features(self.layers)
        self.judge = nn.Sequential(nn.Conv2d(64, channels, 1), nn.LeakyReLU(0.2), nn.Conv2d(channels, 1, 1))
        self.in_channels = in_channels

    def forward(self, x: Tensor) -> Tensor:
        return self.judge(self.eyes(x, self.layers)[self.layers[0]])


class Steered(nn.Module):
    """A generator that looks at its input through a frozen network too."""

    def __init__(self, in_channels: int, out_channels: int, *, features: Backbone = random) -> None:
        super().__init__()
        self.layers = features(()).layer_names[1:2]
        self.eyes = features(self.layers)
        self.steer = nn.Conv2d(64, out_channels, 1)
        self.body: nn.Module = ResnetGenerator(in_channels, out_channels, channels=4, blocks=1)

    def forward(self, x: Tensor) -> Tensor:
        seen = self.steer(self.eyes(x, self.layers)[self.layers[0]])
        return self.body(x) + 0.1 * torch.tanh(F.interpolate(seen, x.shape[-2:]))
