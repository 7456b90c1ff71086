"""CycleGAN with critics that remember (UVCGAN v2, arXiv 2303.16280)."""

from __future__ import annotations

import inspect
from typing import Annotated, Any

from torch import Tensor

from gankit.generators import ResnetGenerator
from gankit.init import Init
from gankit.methods import CycleGAN, tensor
from gankit.slots import Discriminator, Ge, Generator, Gt
from gankit_modern.batch_critics import BatchHead


class UVCGAN2(CycleGAN):
    """CycleGAN whose critics compare pictures with earlier ones: UVCGAN v2's training (arXiv 2303.16280).

    Offers what CycleGAN does; its critics are called with the memory of real or of fake pictures, which `batch_head`
    keeps. The order of turns is CycleGAN's. UVCGAN v2 has no image pool (`train.pool_size: 0`), and adds
    `mixed_penalty`. Pictures (N, C, H, W) in [-1, 1].

    discriminator: a critic whose forward takes `past`: `real` or `fake`. Unlike the paper's code, a penalty sees the
    mean of the two memories, not the mixture of the pictures' share, and sees them after the pictures of the step came
    in. The other arguments are CycleGAN's. ValueError for a critic without memory.
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
        if "past" not in inspect.signature(critic.forward).parameters:
            kind = type(critic).__name__
            raise ValueError(f"{kind} has no memory of earlier pictures: set `discriminator` to batch_head")

    @tensor
    def fake_logits(self, discriminator: Any, output: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on the translation, beside earlier fakes."""
        return discriminator(output, past="fake")

    @tensor
    def real_logits(self, discriminator: Any, target: Tensor) -> Tensor | tuple[Tensor, ...]:
        """The critic on real pictures, beside earlier ones."""
        return discriminator(target, past="real")
