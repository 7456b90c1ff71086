"""Generative adversarial networks: pictures from noise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn

from gankit.contracts import DiscriminatorContract, GeneratorContract
from gankit.discriminators.dcgan import DCGANDiscriminator
from gankit.fields import Picture
from gankit.generators.dcgan import DCGANGenerator
from gankit.init import Init, initialize
from gankit.methods.base import Method, Turn, tensor
from gankit.slots import Discriminator, Ge, Generator, Gt

Distribution = Literal["normal", "uniform"]


class GAN(Method):
    """One generator that makes pictures from noise, and a critic that tells them from those of the data.

    There is no source: the tensors are `noise`, `output`, `fake_logits`, `real_logits`, `critic`, and the batch's
    `target`. The critic is updated first; the generator is then updated on the same fakes, through the updated critic.
    Real and fake pictures go through the critic one after the other, each with batch statistics of its own.

    Args:
        generator, discriminator: the networks. The generator takes noise (N, latent, 1, 1).
        latent: the number of channels of the noise.
        distribution: the distribution of the noise. `normal` is N(0, 1), as in the code of pytorch/examples. `uniform`
            is over [-1, 1], as in the paper of DCGAN.
        channels_a: the channels of the pictures.
        init, init_gain: how weights are drawn first, see `gankit.init.initialize`. DCGAN draws them from N(0, 0.02),
            and those of batch norms from N(1, 0.02). Perceptrons learn better from torch's own (`default`).

    Raises:
        ValueError: the generator translates pictures, or the two networks are made for different sizes.

    Papers: arXiv 1406.2661; DCGAN arXiv 1511.06434.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"target": "a"}}
    inputs: ClassVar[tuple[str, ...]] = ("noise",)

    def __init__(
        self,
        generator: Generator = DCGANGenerator,
        discriminator: Discriminator = DCGANDiscriminator,
        *,
        latent: Annotated[int, Ge(1)] = 100,
        distribution: Distribution = "normal",
        channels_a: Annotated[int, Ge(1)] = 3,
        init: Init = "normal",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        self.takes = {"a": Picture(channels_a)}
        self.latent, self.distribution = latent, distribution
        self.add("generator", "a2b", generator(latent, channels_a))
        self.add("discriminator", "a2b", discriminator(channels_a))
        self._check()
        initialize(self.networks, init, init_gain)

    def _check(self) -> None:
        maker, critic = self.network("generator", "a2b"), self.network("discriminator", "a2b")
        if not GeneratorContract(maker).takes_noise:
            raise ValueError(f"gan needs a generator that takes noise, such as dcgan or mlp; {_name(maker)} does not")
        drawn, judge = GeneratorContract(maker).fixed_size, DiscriminatorContract(critic)
        judged = judge.image_size or judge.fixed_size
        if drawn and judged and drawn != judged:
            raise ValueError(
                f"the generator makes pictures of {drawn} px and the discriminator judges {judged} px: "
                "give both the same image_size"
            )

    def turns(self) -> list[Turn]:
        return [
            Turn("discriminator", "discriminator", ("discriminator",)),
            Turn("generator", "generator", ("generator",)),
        ]

    # -- tensors -------------------------------------------------------------------------------------------------------
    @tensor
    def noise(self, target: Tensor) -> Tensor:
        """As many vectors as there are real pictures, (N, latent, 1, 1), from torch's global random generator."""
        return self._shaped(torch.empty(len(target), self.latent, 1, 1, device=target.device, dtype=target.dtype), None)

    @tensor
    def output(self, generator: nn.Module, noise: Tensor) -> Tensor:
        """What the generator makes of the noise, (N, C, H, W)."""
        return generator(noise)

    @tensor
    def critic(self, discriminator: nn.Module) -> Callable[[Tensor], Tensor | tuple[Tensor, ...]]:
        """The discriminator, for penalties on its gradient."""
        return discriminator

    @tensor
    def fake_logits(self, critic: Callable, output: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on what was made."""
        return critic(output)

    @tensor
    def real_logits(self, critic: Callable, target: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on real pictures."""
        return critic(target)

    # -- use -----------------------------------------------------------------------------------------------------------
    def draw(self, count: int, generator: torch.Generator | None = None) -> dict[str, Tensor]:
        """The noise of `count` pictures, and what the generator wants beside it, drawn on the CPU, so that one seed
        gives the same on every device."""
        noise = self._shaped(torch.empty(count, self.latent, 1, 1), generator)
        side = self.fixed_size or 1
        drawn = {n: self.kind_of(f).draw(count, (side, side), generator) for n, f in self.conditions("a2b").items()}
        return {"noise": noise.to(next(self.parameters())), **{n: x.to(self.device) for n, x in drawn.items()}}

    def _shaped(self, empty: Tensor, generator: torch.Generator | None) -> Tensor:
        if self.distribution == "uniform":
            return empty.uniform_(-1, 1, generator=generator)
        return empty.normal_(generator=generator)


def _name(network: nn.Module) -> str:
    from gankit.core.catalogue import catalogue

    entry = catalogue().entry_of("generator", type(network))
    return entry.name if entry else type(network).__name__
