"""pix2pix: translation learned from pairs (Isola et al. 2017, arXiv 1611.07004)."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar

from torch import Tensor, nn

from gankit.discriminators.patch import PatchDiscriminator
from gankit.fields import Picture, Segmentation
from gankit.generators.unet import UNetGenerator
from gankit.init import Init, initialize
from gankit.methods.base import Critic, Translation, Turn, tensor
from gankit.methods.noise import keep_noise
from gankit.norms.batch import BatchNorm
from gankit.slots import Discriminator, Ge, Generator, Gt


class Paired(Translation):
    """pix2pix (arXiv 1611.07004): one generator, and a critic that sees the source beside the picture it judges.

    Offers output, fake_logits, real_logits of the one direction a2b. The critic is updated first. Pictures (N, C, H, W)
    in [-1, 1].

    Args:
        generator, discriminator: the network that makes pictures, and the critic.
        channels_a, channels_b: the channels of source and target.
        classes_a: the number of classes, where the source is a segmentation map (N, classes_a, H, W) in place of a
            picture.
        conditional: whether the critic sees the source too.
        noise_at_test: whether a translation keeps dropout, and the statistics of the picture at hand in batch norm. The
            paper does so, since dropout is its only source of noise. No picture of a batch influences the others then.
        init, init_gain: how weights start, see `gankit.init.initialize`.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"source": "a", "target": "b"}}
    truth: ClassVar[str | None] = "target"

    def __init__(
        self,
        generator: Generator = UNetGenerator,
        discriminator: Discriminator = partial(PatchDiscriminator, norm=BatchNorm),
        channels_a: Annotated[int, Ge(1)] = 3,
        channels_b: Annotated[int, Ge(1)] = 3,
        classes_a: Annotated[int, Ge(2)] | None = None,
        conditional: bool = True,
        noise_at_test: bool = True,
        init: Init = "normal",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        source = Picture(channels_a) if classes_a is None else Segmentation(classes_a, of="b")
        self.takes = {"a": source, "b": Picture(channels_b)}
        self.conditional = conditional
        self.noise_at_test = noise_at_test
        self.add("generator", "a2b", generator(source.planes, channels_b))
        self.add("discriminator", "a2b", discriminator(source.planes + channels_b if conditional else channels_b))
        initialize(self.networks, init, init_gain)

    def turns(self) -> list[Turn]:
        return [
            Turn("discriminator", "discriminator", ("discriminator",)),
            Turn("generator", "generator", ("generator",)),
        ]

    @tensor
    def critic(self, discriminator: nn.Module, source: Tensor) -> Critic:
        """The discriminator on a picture beside the source."""
        return Critic(discriminator, partial(self.seen, source))

    def seen(self, source: Tensor, picture: Tensor) -> tuple[Tensor, ...]:
        return (source, picture) if self.conditional else (picture,)

    def train(self, mode: bool = True) -> Paired:
        super().train(mode)
        if self.noise_at_test:
            keep_noise(self.network("generator", "a2b"), mode)
        return self
