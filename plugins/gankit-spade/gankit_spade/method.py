"""From a label map to a picture."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Annotated, ClassVar

from gankit.discriminators import MultiscaleDiscriminator, PatchDiscriminator
from gankit.init import Init
from gankit.methods import Paired, Turn
from gankit.slots import Discriminator, Ge, Generator, Gt
from gankit_spade.generator import SPADEGenerator


class LabelToPicture(Paired):
    """SPADE, known as GauGAN (arXiv 1903.07291): pictures from label maps, learned from pairs.

    As pix2pix, with a segmentation map as the source: the critic sees the map beside the picture that it judges. Offers
    output, fake_logits, real_logits, fake_features and real_features of the direction a2b. The generator moves first;
    the critic then sees the fakes of before that move (the paper's code makes them anew). `a` (N, classes, H, W) of 0
    and 1, `b` (N, C, H, W) in [-1, 1].

    classes: of the maps. channels_b: of the pictures. init: the paper draws all weights by Xavier, with gain 0.02.
    """

    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"source": "a", "target": "b"}}

    def __init__(
        self,
        generator: Generator = SPADEGenerator,
        discriminator: Discriminator = partial(
            MultiscaleDiscriminator, scales=2, discriminator=partial(PatchDiscriminator, layers=3)
        ),
        *,
        classes: Annotated[int, Ge(2)],
        channels_b: Annotated[int, Ge(1)] = 3,
        init: Init = "xavier",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__(
            generator,
            discriminator,
            channels_b=channels_b,
            classes_a=classes,
            noise_at_test=False,
            init=init,
            init_gain=init_gain,
        )

    def turns(self) -> list[Turn]:
        return super().turns()[::-1]
