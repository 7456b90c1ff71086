"""Inpainting: holes of any shape are filled in (PConv, arXiv 1804.07723; LBAM, arXiv 1909.00968)."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import partial
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn

from gankit.contracts import NetworkContract
from gankit.discriminators.double_column import DoubleColumnDiscriminator
from gankit.fields import Mask, Picture
from gankit.generators.holes import known_of
from gankit.generators.lbam import LBAM
from gankit.init import Init, initialize
from gankit.methods.augmented import beside
from gankit.methods.base import Translation, Turn, tensor
from gankit.slots import Discriminator, Ge, Generator, Gt, Translated

CRITICAL = ("critic", "fake_logits", "real_logits")


class Inpainting(Translation):
    """Fills the holes of pictures (PConv, arXiv 1804.07723; LBAM, arXiv 1909.00968).

    Offers target and hole, from the fields `a` and `mask` of a batch; source, the target with black holes; output, what
    the generator makes of the whole picture, also as raw; composite, the output in the hole and the source elsewhere,
    which is what a translation returns; fake_logits, real_logits and critic where there is a discriminator. The critic
    is updated first. Pictures (N, C, H, W) in [-1, 1]; holes (N, 1, H, W), 1 = to fill.

    A translation is given the picture and its hole; what the picture shows in the hole is ignored.

    Args:
        generator: the network that fills. One that takes holes is called with picture and hole. Any other gets the hole
            as one more channel of the picture.
        discriminator: the critic, which gets the hole in the same way. With null there is none, and only losses on
            pictures are left.
        channels_a: the channels of the pictures.
        init, init_gain: how weights start, see `gankit.init.initialize`. `default` keeps what the networks start from.
            LBAM starts from N(0, 0.02), as in its paper. `kaiming` suits PConv, and narrow networks.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"target": "a", "hole": "mask"}}
    carried: ClassVar[tuple[str, ...]] = ("output", "fake_hole")
    inputs: ClassVar[tuple[str, ...]] = ("source", "hole")
    result: ClassVar[str] = "composite"
    truth: ClassVar[str | None] = "target"

    def __init__(
        self,
        generator: Generator = LBAM,
        discriminator: Discriminator | None = DoubleColumnDiscriminator,
        channels_a: Annotated[int, Ge(1)] = 3,
        init: Init = "default",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        self.takes = {"a": Picture(channels_a), "mask": Mask(of="a"), "source": Picture(channels_a)}
        self.add("generator", "a2b", generator(channels_a + (not takes_hole(generator)), channels_a))
        if discriminator is not None:
            self.add("discriminator", "a2b", discriminator(channels_a + (not takes_hole(discriminator))))
        initialize(self.networks, init, init_gain)

    def turns(self) -> list[Turn]:
        critic = [Turn("discriminator", "discriminator", ("discriminator",))]
        return [*(critic if "discriminator" in self.roles else []), Turn("generator", "generator", ("generator",))]

    def unavailable(self, name: str) -> str | None:
        if name in CRITICAL and "discriminator" not in self.roles:
            return "it has no discriminator: set method.discriminator to double_column or patch"
        if name in ("fake_features", "real_features", "fake_heatmaps", "real_heatmaps"):
            return "its critic sees the hole beside the picture, and gives only logits"
        return super().unavailable(name)

    @tensor
    def source(self, target: Tensor, hole: Tensor) -> Tensor:
        """The picture with its holes black (-1)."""
        known = known_of(target, hole)
        return target * known - (1 - known)

    @tensor
    def translated(self, generator: nn.Module, source: Tensor, hole: Tensor) -> Tensor | Translated:
        """What the generator returns. A source that was given may still show something in its holes."""
        return seen(generator, self.source(source, hole), hole)

    @tensor
    def raw(self, output: Tensor) -> Tensor:
        """The output, under a name that metrics, whose `output` is the composite, can ask for."""
        return output

    @tensor
    def composite(self, output: Tensor, source: Tensor, hole: Tensor) -> Tensor:
        """The output in the hole, the source elsewhere."""
        return torch.where(hole > 0.5, output, source)

    @tensor
    def critic(self, discriminator: nn.Module, hole: Tensor) -> Callable[[Tensor], Tensor | tuple[Tensor, ...]]:
        """The discriminator on pictures with these holes."""
        return partial(seen, discriminator, hole=hole)

    @tensor
    def fake_hole(self, hole: Tensor) -> Tensor:
        """The holes of the fakes that are judged: an older one from the image pool keeps its own."""
        return hole

    @tensor
    def fake_logits(self, discriminator: nn.Module, output: Tensor, fake_hole: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on the output."""
        return seen(discriminator, output, fake_hole)

    @torch.no_grad()
    def infer(
        self, inputs: Tensor | Mapping[str, Tensor], names: tuple[str, ...], direction: str = "a2b"
    ) -> list[Tensor | None]:
        """As of any method. What is known stays exact, also where a network of one size had the picture stretched."""
        if not self.fixed_size or isinstance(inputs, Tensor) or "composite" not in names:
            return super().infer(inputs, names, direction)
        by_name = dict(zip((*names, "output"), super().infer(inputs, (*names, "output"), direction), strict=True))
        output = by_name["output"]
        if output is not None:
            by_name["composite"] = self.composite(output, inputs["source"], inputs["hole"])
        return [by_name[name] for name in names]


def takes_hole(network: nn.Module | Callable[..., nn.Module]) -> bool:
    """Whether a network, or those of a factory, are called with picture and hole: they have it in their `takes`."""
    return "hole" in NetworkContract(network).takes


def seen(network: nn.Module, picture: Tensor, hole: Tensor) -> Any:
    """The network on a picture and its hole; one that takes pictures alone sees the hole as their last channel."""
    if takes_hole(network):
        return network(picture, hole=hole)
    return network(beside(network, [picture], [1 - known_of(picture, hole)]))
