"""Masked pre-training: networks restore pictures of which patches are missing (UVCGAN, arXiv 2203.02557)."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Annotated, ClassVar

import torch
from torch import Tensor

from gankit.fields import Picture
from gankit.init import Init, initialize
from gankit.methods import Translation, Turn, tensor
from gankit.slots import Ge, Generator, Gt, Le, Position, Unit
from gankit_modern.uvcgan import UVCGANGenerator

BLACK = -1.0


class MaskedAutoencoder(Translation):
    """Masked pre-training of the two generators of a CycleGAN (UVCGAN, arXiv 2203.02557, section 3.3).

    Each patch of a picture is painted black by chance, and the generator restores it. Direction `a2b` has the pictures
    of a, `b2a` those of b: offers in both source (the picture with its holes), output (restored) and target (as it
    was). The loss is `l1`. A training of `cyclegan` or `uvcgan2` with the same generator begins from such a run by
    `train.init_from`. In evaluation all pictures lose the same patches. Pictures (N, channels, H, W) in [-1, 1].

    joint: one network for both directions, which learns of all pictures, and from which both generators begin, as in
    the paper's code. patch: the side of a patch in pixels; those at the right and bottom edges may be smaller. masked:
    the share of the patches that are painted, each by itself. channels: of the pictures of both domains.
    """

    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"target": "a"}, "b2a": {"target": "b"}}
    truth: ClassVar[str | None] = "target"

    def __init__(
        self,
        generator: Generator = UVCGANGenerator,
        joint: bool = True,
        patch: Annotated[int, Ge(1)] = 32,
        masked: Annotated[float, Gt(0), Le(1)] = 0.4,
        channels: Annotated[int, Ge(1)] = 3,
        init: Init = "normal",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        self.patch, self.masked = patch, masked
        self.takes = {name: Picture(channels) for name in ("a", "b", "source")}
        network = generator(channels, channels)
        for direction in self.directions:
            self.add("generator", direction, network)
            network = network if joint else generator(channels, channels)
        initialize(self.networks, init, init_gain)

    def turns(self) -> list[Turn]:
        return [Turn("generator", "generator", ("generator",))]

    @tensor
    def source(self, target: Tensor) -> Tensor:
        """The picture with patches painted black, (N, C, H, W)."""
        return torch.where(self.kept(target), target, BLACK)

    def kept(self, pictures: Tensor) -> Tensor:
        """Which pixels stay, bool, (N, 1, H, W); in evaluation (1, 1, H, W)."""
        height, width = pictures.shape[2:]
        grid = (1, -(-height // self.patch), -(-width // self.patch))
        if self.training:
            draws = torch.rand(len(pictures), *grid, device=pictures.device)
        else:
            draws = torch.rand(1, *grid, generator=torch.Generator().manual_seed(0)).to(pictures.device)
        kept = draws > self.masked
        return kept.repeat_interleave(self.patch, 2).repeat_interleave(self.patch, 3)[:, :, :height, :width]

    def unavailable(self, name: str) -> str | None:
        if name in ("critic", "fake_logits", "real_logits"):
            return "it has no discriminator: nothing is judged in masked pre-training"
        return super().unavailable(name)


class CosineRestarts:
    """Half a period of a cosine from the full rate down to `floor` of it, again and again (arXiv 1608.03983).

    period: epochs, or steps as `every` says, from one restart to the next. floor: the least rate, in parts of the full
    one.
    """

    def __init__(
        self, *, period: Annotated[int, Ge(1)], floor: Annotated[float, Ge(0), Le(1)] = 0.0, every: Unit = "epoch"
    ) -> None:
        self.period, self.floor = period, floor
        self.every: Unit = every

    def __call__(self, position: Position) -> float:
        now = position.by(self.every)[0] % self.period
        return self.floor + (1 - self.floor) * (1 + math.cos(math.pi * now / self.period)) / 2
