"""MUNIT: multimodal unsupervised translation (Huang et al. 2018, arXiv 1804.04732)."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn

from gankit.contracts import GeneratorContract
from gankit.discriminators.multiscale import MultiscaleDiscriminator
from gankit.discriminators.strided import StridedDiscriminator
from gankit.fields import Picture, Vector
from gankit.generators.munit import MUNITGenerator
from gankit.init import Init, initialize
from gankit.methods.base import Turn, TwoWayTranslation, image_of, tensor
from gankit.methods.sizes import fit
from gankit.methods.styled import Styled
from gankit.slots import Discriminator, Ge, Generator, Gt

PARTS = ("encode_content", "encode_style", "decode", "style_channels")


class MUNIT(Styled, TwoWayTranslation):
    """MUNIT (arXiv 1804.04732): the content of one domain in a style of the other, drawn anew for each picture.

    Each domain has one generator, which splits its pictures into content and style, and makes pictures of both:
    `generator` of a2b is that of domain b, `back_generator` that of a. A translation decodes the source's content with
    a style from N(0, 1). The critics are updated first. Pictures (N, C, H, W) in [-1, 1].

    Offers content and own_style (of the source), style (N, style_channels; drawn), output, output_content and
    output_style (of the output, encoded again), reconstruction (the output brought back with the source's own style),
    identity (the target taken apart and put together), fake_logits, real_logits. The paper's losses are `lsgan` (not
    halved), `identity` (its image reconstruction), `l1` of output_content and content, `l1` of output_style and style,
    and, where asked for, `cycle` and `perceptual` of output and source. No gradient is cut: contents learn from both
    sides, as in the authors' code.

    Args:
        generator: a network that has `encode_content`, `encode_style`, `decode` and `style_channels`.
        discriminator: the critic. Each domain has its own.
        channels_a, channels_b: the channels of the pictures of each domain.
        fresh_fakes: whether the fakes of the critics' turn have styles of their own, as in the authors' code. With
            false, critics see the fakes of the generators' turn, which saves a forward pass of both generators.
        init, critic_init: how the weights of the generators and of the critics start, see `gankit.init.initialize`.
        init_gain: the standard deviation of `normal`.
    """

    def __init__(
        self,
        generator: Generator = MUNITGenerator,
        discriminator: Discriminator = partial(MultiscaleDiscriminator, discriminator=StridedDiscriminator),
        channels_a: Annotated[int, Ge(1)] = 3,
        channels_b: Annotated[int, Ge(1)] = 3,
        fresh_fakes: bool = True,
        init: Init = "kaiming",
        critic_init: Init = "normal",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        self.shares_forward = not fresh_fakes
        for direction, channels in {"a2b": channels_b, "b2a": channels_a}.items():
            network = initialize(generator(channels, channels), init, init_gain)
            if missing := GeneratorContract(network).lacks(*PARTS):
                raise ValueError(
                    f"munit needs a generator that takes pictures apart into content and style, such as `munit`; this "
                    f"one has no {' and no '.join(missing)}"
                )
            self.add("generator", direction, network)
            self.add("discriminator", direction, initialize(discriminator(channels), critic_init, init_gain))
        self.style_channels = int(self.network("generator", "a2b").style_channels)  # type: ignore[arg-type]
        pictures = {"a": Picture(channels_a), "b": Picture(channels_b)}
        self.takes = {**pictures, "style": Vector(self.style_channels)}

    def turns(self) -> list[Turn]:
        return [
            Turn("discriminator", "discriminator", ("discriminator",)),
            Turn("generator", "generator", ("generator",)),
        ]

    def unavailable(self, name: str) -> str | None:
        if name in ("attention", "logits", "identity_logits"):
            return "munit has no attention; cyclegan, attention_guided and ugatit do"
        return super().unavailable(name)

    # -- apart -----------------------------------------------------------------------------------------------------
    @tensor
    def content(self, back_generator: nn.Module, source: Tensor) -> Tensor:
        """The content of the source, (N, C, h, w)."""
        return back_generator.encode_content(source)  # type: ignore[operator]

    @tensor
    def own_style(self, back_generator: nn.Module, source: Tensor) -> Tensor:
        """The style of the source, (N, style_channels)."""
        return back_generator.encode_style(source)  # type: ignore[operator]

    @tensor
    def style(self, source: Tensor) -> Tensor:
        """The style of the output, (N, style_channels), drawn from N(0, 1) by torch's global generator."""
        return torch.randn(len(source), self.style_channels, device=source.device, dtype=source.dtype)

    @tensor
    def output_content(self, generator: nn.Module, output: Tensor) -> Tensor:
        """The content of the output, which should be that of the source."""
        return generator.encode_content(output)  # type: ignore[operator]

    @tensor
    def output_style(self, generator: nn.Module, output: Tensor) -> Tensor:
        """The style of the output, which should be the one that was drawn."""
        return generator.encode_style(output)  # type: ignore[operator]

    # -- together --------------------------------------------------------------------------------------------------
    @tensor
    def translated(self, generator: nn.Module, content: Tensor, style: Tensor) -> Tensor:
        """The source's content in the style drawn."""
        return generator.decode(content, style)  # type: ignore[operator]

    @tensor
    def retained(self, generator: nn.Module, back_content: Tensor, back_own_style: Tensor) -> Tensor:
        """The target taken apart and put together again."""
        return generator.decode(back_content, back_own_style)  # type: ignore[operator]

    @tensor
    def reconstruction(self, back_generator: nn.Module, output_content: Tensor, own_style: Tensor) -> Tensor:
        """The output brought back to the source's domain, in the source's own style."""
        return back_generator.decode(output_content, own_style)  # type: ignore[operator]

    # -- use -------------------------------------------------------------------------------------------------------
    @torch.no_grad()
    def encode_style(self, example: Tensor, direction: str = "a2b") -> Tensor:
        network = self.network("generator", direction)
        fitted, _ = fit(example, 1, GeneratorContract(network).min_size)
        return network.encode_style(fitted)  # type: ignore[operator]

    @torch.no_grad()
    def samples(
        self, source: Tensor, count: int, direction: str = "a2b", generator: torch.Generator | None = None
    ) -> Tensor:
        fitted, crop = self.fit(source)
        back = self.back(direction)
        assert back is not None
        content = self.network("generator", back).encode_content(fitted)  # type: ignore[operator]
        network, pictures = self.network("generator", direction), []
        for _ in range(count):
            style = torch.randn(len(source), self.style_channels, generator=generator).to(source)
            pictures.append(crop(image_of(network.decode(content, style))))  # type: ignore[operator]
        return torch.stack(pictures, 1)
