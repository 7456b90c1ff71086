"""Methods that translate one picture in many ways: what they share, whatever their networks."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import torch
from torch import Tensor

from gankit.methods.base import Method


class Styled(Method):
    """Base of methods whose translation has a style: a code (N, style_channels), drawn from N(0, 1) or of an example.

    A subclass sets `style_channels`, offers the tensor `style`, and says how an example is read (`encode_style`) and
    how several results are made (`samples`). `translate({"source": x, "style": code})` takes one code (1,
    style_channels), or one for each picture; without `style` it is `styles(1)`, so that a translation of one picture
    is always the same and the frames of a film agree.
    """

    style_channels: int
    optional: ClassVar[tuple[str, ...]] = ("style",)

    def styles(self, count: int, seed: int = 0) -> Tensor:
        """Random codes (count, style_channels), from N(0, 1), on the CPU; the first ones do not depend on `count`."""
        generator = torch.Generator().manual_seed(seed)
        return torch.stack([torch.randn(self.style_channels, generator=generator) for _ in range(count)])

    def encode_style(self, example: Tensor, direction: str = "a2b") -> Tensor:
        """The styles (N, style_channels) of pictures (N, C, H, W) of the direction's target domain, of any size."""
        raise NotImplementedError

    def samples(
        self, source: Tensor, count: int, direction: str = "a2b", generator: torch.Generator | None = None
    ) -> Tensor:
        """`count` translations (N, count, C, H, W) of each picture (N, C, H, W), each in a style of its own.

        generator: draws the styles; torch's global one when not given.
        """
        raise NotImplementedError

    def infer(
        self, inputs: Tensor | Mapping[str, Tensor], names: tuple[str, ...], direction: str = "a2b"
    ) -> list[Tensor | None]:
        tensors = {"source": inputs} if isinstance(inputs, Tensor) else dict(inputs)
        if (source := tensors.get("source")) is not None:
            style = tensors.get("style", None)
            tensors["style"] = self.fitting(self.styles(1) if style is None else style, source)
        return super().infer(tensors, names, direction)

    def fitting(self, style: Tensor, source: Tensor) -> Tensor:
        """A style for each of the pictures. Raises ValueError for a tensor that is none."""
        flat = style.flatten(1) if style.ndim > 1 else style[None]
        if flat.shape[1] != self.style_channels or len(flat) not in (1, len(source)):
            raise ValueError(
                f"the style of {len(source)} pictures is (1, {self.style_channels}), or one for each; got "
                f"{tuple(style.shape)}"
            )
        return flat.to(source).expand(len(source), -1)

    def inputs_of(self, batch: Mapping[str, Tensor], direction: str = "a2b") -> dict[str, Any] | None:
        """With a style for each picture: that of the data's `example_a2b` or `example_b2a`, a picture of the target's
        domain in the style of the truth, where it has these; else from torch's global generator, so that figures are
        of more than one style."""
        inputs = super().inputs_of(batch, direction)
        if inputs is None:
            return None
        if (example := batch.get(f"example_{direction}")) is not None:
            return inputs | {"style": self.encode_style(example, direction)}
        source = inputs["source"]
        return inputs | {"style": torch.randn(len(source), self.style_channels).to(source)}
