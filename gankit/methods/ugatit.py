"""U-GAT-IT: class activation attention, adaptive layer-instance normalization (Kim et al. 2019, arXiv 1907.10830)."""

from __future__ import annotations

from typing import Annotated

from gankit.discriminators.ugatit import UGATITDiscriminator
from gankit.generators.ugatit import UGATITGenerator
from gankit.init import Init
from gankit.methods.base import Turn
from gankit.methods.cyclegan import CycleGAN
from gankit.slots import Discriminator, Ge, Generator, Gt


class UGATIT(CycleGAN):
    """U-GAT-IT (arXiv 1907.10830): CycleGAN with CAM heads in generators and critics; the critics are updated first.

    Offers what CycleGAN offers, and attention, logits, identity_logits of the generators' CAM. One set of fakes
    serves both turns, which equals the official PyTorch code's two (the generators do not move in between). Weights
    start as PyTorch draws them, as in that code; its TensorFlow twin draws N(0, 0.02): `init: normal`.

    Args:
        generator, discriminator: the network that makes pictures, and the critic. Each direction has its own.
        channels_a, channels_b: the channels of the pictures of each domain.
        init, init_gain: how weights start, see `gankit.init.initialize`.
        cycle_noise: the standard deviation of normal noise that is added, in training, to a translation before it is
            brought back; pictures are in [-1, 1]. What a generator hides in a translation for the way back, too faint
            to be seen, is lost in it (arXiv 1908.01517).
    """

    def __init__(
        self,
        generator: Generator = UGATITGenerator,
        discriminator: Discriminator = UGATITDiscriminator,
        channels_a: Annotated[int, Ge(1)] = 3,
        channels_b: Annotated[int, Ge(1)] = 3,
        init: Init = "default",
        init_gain: Annotated[float, Gt(0)] = 0.02,
        cycle_noise: Annotated[float, Ge(0)] = 0.0,
    ) -> None:
        super().__init__(generator, discriminator, channels_a, channels_b, init, init_gain, cycle_noise=cycle_noise)

    def turns(self) -> list[Turn]:
        return super().turns()[::-1]
