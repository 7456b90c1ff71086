"""CycleGAN with critics that remember (UVCGAN v2, arXiv 2303.16280)."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import partial
from typing import Annotated, Any, Protocol, runtime_checkable

from torch import Tensor

from gankit.generators import ResnetGenerator
from gankit.init import Init
from gankit.methods import CycleGAN, tensor
from gankit.slots import Discriminator, Ge, Generator, Gt
from gankit_modern.batch_critics import BatchHead


@runtime_checkable
class HasMemories(Protocol):
    """A critic that keeps features of earlier pictures."""

    def memories(self) -> tuple[Tensor, Tensor]:
        """Of real and of fake ones."""
        ...


class Remembering:
    """A critic as a function of the picture alone, beside what it remembered before the pictures of this step."""

    def __init__(self, discriminator: Any) -> None:
        self.discriminator = discriminator
        self.real, self.fake = discriminator.memories()

    def __call__(self, picture: Tensor) -> Tensor | tuple[Tensor, ...]:
        return self.between(0.5)(picture)

    def between(self, share: Tensor | float) -> Callable[[Tensor], Tensor | tuple[Tensor, ...]]:
        """The critic beside mixtures of real and fake pictures, of which the real ones have this share."""
        same = self.real.shape == self.fake.shape
        mixed = share * self.real + (1 - share) * self.fake if same else self.real.new_zeros(0)
        return partial(self.discriminator, past=mixed)

    def features(self, picture: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        return self.discriminator.features(picture)

    def heatmaps(self, picture: Tensor) -> Tensor:
        return self.discriminator.heatmaps(picture)


class UVCGAN2(CycleGAN):
    """CycleGAN whose critics compare pictures with earlier ones: UVCGAN v2's training (arXiv 2303.16280).

    Offers what CycleGAN does; its critics are called with the memory of real or of fake pictures, which `batch_head`
    keeps. The order of turns is CycleGAN's. UVCGAN v2 has no image pool (`train.pool_size: 0`), and adds
    `mixed_penalty`, which mixes the two memories as it mixes the pictures; other penalties take their mean. Pictures
    (N, C, H, W) in [-1, 1].

    discriminator: a critic with `memories()`, whose forward takes `past`: `real`, `fake` or features. The other
    arguments are CycleGAN's. ValueError for a critic without memory.
    """

    def __init__(
        self,
        generator: Generator = ResnetGenerator,
        discriminator: Discriminator = BatchHead,
        channels_a: Annotated[int, Ge(1)] = 3,
        channels_b: Annotated[int, Ge(1)] = 3,
        init: Init = "normal",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__(generator, discriminator, channels_a, channels_b, init, init_gain)
        critic = self.network("discriminator", "a2b")
        if "past" not in inspect.signature(critic.forward).parameters or not isinstance(critic, HasMemories):
            kind = type(critic).__name__
            raise ValueError(f"{kind} has no memory of earlier pictures: set `discriminator` to batch_head")

    @tensor
    def critic(self, discriminator: Any) -> Remembering:
        """The critic as a function of the picture alone, with its memory as it was before this step, for penalties."""
        return Remembering(discriminator)

    # These two take the critic, so that it has copied its memory before they put pictures into it.
    @tensor
    def fake_logits(self, critic: Remembering, output: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on the translation, beside earlier fakes."""
        return critic.discriminator(output, past="fake")

    @tensor
    def real_logits(self, critic: Remembering, target: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on real pictures, beside earlier ones."""
        return critic.discriminator(target, past="real")
