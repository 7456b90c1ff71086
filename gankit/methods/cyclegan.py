"""CycleGAN: unpaired translation by cycle consistency (Zhu et al. 2017, arXiv 1703.10593)."""

from __future__ import annotations

from typing import Annotated, Self

from gankit.discriminators.patch import PatchDiscriminator
from gankit.fields import Picture
from gankit.generators.resnet import ResnetGenerator
from gankit.init import Init, initialize
from gankit.methods.base import Turn, TwoWayTranslation
from gankit.methods.noise import keep_noise
from gankit.slots import Discriminator, Ge, Generator, Gt


class CycleGAN(TwoWayTranslation):
    """CycleGAN (arXiv 1703.10593): two generators, two critics, a cycle in each direction.

    Offers output, reconstruction, identity, fake_logits, real_logits in both directions; attention and logits too when
    the generator has an attention head. The generators are updated first, and then the critics, on the fakes from
    before that update, as in the paper's code. Pictures (N, C, H, W) in [-1, 1].

    Args:
        generator, discriminator: the network that makes pictures, and the critic. Each direction has its own.
        channels_a, channels_b: the channels of the pictures of each domain.
        init, init_gain: how weights start, see `gankit.init.initialize`. The paper draws them from N(0, 0.02).
        noise_at_test: whether a translation keeps dropout, and the statistics of the picture at hand in batch norm. The
            paper's code does so unless it is told `--eval`. With instance norms and no dropout it changes nothing.
        cycle_noise: the standard deviation of normal noise that is added, in training, to a translation before it is
            brought back; pictures are in [-1, 1]. What a generator hides in a translation for the way back, too faint
            to be seen, is lost in it (arXiv 1908.01517).
    """

    def __init__(
        self,
        generator: Generator = ResnetGenerator,
        discriminator: Discriminator = PatchDiscriminator,
        channels_a: Annotated[int, Ge(1)] = 3,
        channels_b: Annotated[int, Ge(1)] = 3,
        init: Init = "normal",
        init_gain: Annotated[float, Gt(0)] = 0.02,
        noise_at_test: bool = False,
        cycle_noise: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        super().__init__()
        self.noise_at_test = noise_at_test
        self.cycle_noise = cycle_noise
        self.takes = {"a": Picture(channels_a), "b": Picture(channels_b)}
        for direction, (source, target) in {"a2b": (channels_a, channels_b), "b2a": (channels_b, channels_a)}.items():
            self.add("generator", direction, generator(source, target))
            self.add("discriminator", direction, discriminator(target))
        initialize(self.networks, init, init_gain)

    def train(self, mode: bool = True) -> Self:
        super().train(mode)
        if self.noise_at_test:
            for direction in self.directions:
                keep_noise(self.network("generator", direction), mode)
        return self

    def turns(self) -> list[Turn]:
        return [
            Turn("generator", "generator", ("generator",)),
            Turn("discriminator", "discriminator", ("discriminator",)),
        ]
