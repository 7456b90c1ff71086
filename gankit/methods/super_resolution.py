"""Super-resolution: larger pictures from small ones (Johnson et al. 2016, arXiv 1603.08155)."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, ClassVar, Literal

from torch import Tensor

from gankit.contracts import GeneratorContract
from gankit.fields import Picture
from gankit.generators.super_resolution import JohnsonSRGenerator
from gankit.init import Init, initialize
from gankit.methods.base import Translation, Turn, tensor
from gankit.resample import blur, enlarge, shrink
from gankit.slots import Discriminator, Ge, Generator, Gt, Le


class SuperResolution(Translation):
    """Super-resolution of arXiv 1603.08155: a generator that enlarges, trained on pictures that were made small.

    The target is the data's picture. The source is the target after a Gaussian blur, shrunk `factor` times by a bicubic
    filter. The method offers source, output, and enlarged, which is the source enlarged bicubically. With a
    discriminator it offers fake_logits and real_logits, which make it SRGAN-like (arXiv 1609.04802). Pictures are (N,
    C, H, W) in [-1, 1]. In training their sides are multiples of the factor. `translate` takes a picture of any size
    and returns it `factor` times as large.

    Args:
        generator: a network that enlarges `factor` times, such as `johnson_sr` or `espcn`.
        discriminator: the critic of the large pictures. The paper has none.
        factor: how many times larger the result is. The paper takes 4 and 8.
        blur: sigma of the Gaussian, in pixels of the large picture.
        antialias: whether pictures are shrunk by a filter as wide as a small pixel, as PIL and MATLAB do. Without it
            they are sampled by torch's bicubic interpolation, as Torch7 did.
        channels_a: the channels of the pictures.
        init, init_gain: how weights start, see `gankit.init.initialize`.

    Raises ValueError where the generator does not enlarge `factor` times.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"target": "a"}}
    truth: ClassVar[str | None] = "target"

    def __init__(
        self,
        generator: Generator = JohnsonSRGenerator,
        discriminator: Discriminator | None = None,
        factor: Literal[2, 4, 8] = 4,
        blur: Annotated[float, Ge(0), Le(100)] = 1.0,
        antialias: bool = True,
        channels_a: Annotated[int, Ge(1)] = 3,
        init: Init = "default",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        self.takes = {"a": Picture(channels_a), "source": Picture(channels_a)}
        self.scale, self.blur, self.antialias = factor, blur, antialias
        network = generator(channels_a, channels_a)
        if (own := GeneratorContract(network).factor) != factor:
            raise ValueError(f"its generator enlarges {own} times and factor is {factor}: set both to the same")
        self.add("generator", "a2b", network)
        if discriminator is not None:
            self.add("discriminator", "a2b", discriminator(channels_a))
        initialize(self.networks, init, init_gain)

    def turns(self) -> list[Turn]:
        critic = [Turn("discriminator", "discriminator", ("discriminator",))]
        return [Turn("generator", "generator", ("generator",)), *(critic if "discriminator" in self.roles else [])]

    @tensor
    def source(self, target: Tensor) -> Tensor:
        """The target made small, (N, C, H/factor, W/factor)."""
        return shrink(blur(target, self.blur), self.scale, self.antialias).clamp(-1, 1)

    @tensor
    def enlarged(self, source: Tensor) -> Tensor:
        """The source enlarged bicubically: what a network has to surpass."""
        return enlarge(source, self.scale).clamp(-1, 1)

    def unavailable(self, name: str) -> str | None:
        if name in ("critic", "fake_logits", "real_logits") and "discriminator" not in self.roles:
            return "it has no discriminator: set method.discriminator, for example to patch"
        return super().unavailable(name)
