"""Translations that move as their sources do."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Annotated, Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.contracts import GeneratorContract
from gankit.precision import full, without_autocast
from gankit.slots import Ge, Lt, Translated


class Motion(nn.Module):
    """Steady films without films: a picture moved and then translated is the translation moved (arXiv 1902.10424).

    forward(generator, output, source) -> scalar: the mean over pictures of the mean |generator(moved source) - moved
    output|, where the moved picture shows nothing from outside of it. Each picture is shifted, turned and enlarged or
    made smaller by a little, drawn anew, as from one frame of a film to the next, so that no flow has to be known.
    source, output: (N, C, H, W) in [-1, 1], of one size, or of two where pictures are enlarged. The output is what the
    generator makes of the source. With `attention_guided`, which composes it with the source, say `on: {output:
    translated}`.

    A generator that returns its input has no loss at all, so weigh it against what a translation must do. A map that a
    generator takes beside the picture is not moved with it.

    The paper's distance is squared. Raises ValueError where shift, angle and zoom are all 0, and for a generator that
    translates by a content and a style.

    Args:
        shift: the largest shift along each side, in pixels.
        angle: the largest turn, in degrees.
        zoom: the largest change of size, as a share of the size.
    """

    draws: ClassVar[bool] = True

    def __init__(
        self,
        shift: Annotated[float, Ge(0)] = 3.0,
        angle: Annotated[float, Ge(0)] = 2.0,
        zoom: Annotated[float, Ge(0), Lt(1)] = 0.03,
    ) -> None:
        super().__init__()
        if not shift and not angle and not zoom:
            raise ValueError("nothing moves with a shift, an angle and a zoom of 0: give one of them more")
        self.shift, self.angle, self.zoom = shift, angle, zoom

    def forward(self, generator: Callable[[Tensor], Tensor | Translated], output: Tensor, source: Tensor) -> Tensor:
        if isinstance(generator, nn.Module) and not GeneratorContract(generator).lacks("encode_content", "decode"):
            raise ValueError(
                "the generator translates by a content and a style, so that it cannot be asked again: see munit"
            )
        motion = self.motion(source)
        made: Any = generator(moved(source, places(motion, source)).clamp(-1, 1).to(source.dtype))
        seen = places(motion, output)
        apart = (full(made if isinstance(made, Tensor) else made[0]) - moved(output, seen)).abs().mean(1)
        inside = (seen.abs() <= 1).all(-1)
        return ((apart * inside).sum((1, 2)) / inside.sum((1, 2)).clamp(min=1)).mean()

    def motion(self, picture: Tensor) -> Tensor:
        """How each picture moves, drawn anew: an affine map of places, (N, 2, 3); -1 and 1 are the picture's edges."""
        height, width = picture.shape[2:]
        drawn = 2 * torch.rand(4, len(picture), device=picture.device) - 1
        right, down = 2 * self.shift * drawn[0] / width, 2 * self.shift * drawn[1] / height
        turn, scale = drawn[2] * math.radians(self.angle), 1 + drawn[3] * self.zoom
        along, across = scale * turn.cos(), scale * turn.sin()
        rows = (along, -across * height / width, right), (across * width / height, along, down)
        return torch.stack([torch.stack(row, -1) for row in rows], 1)

    def places(self, picture: Tensor) -> Tensor:
        """Where each pixel comes from, (N, H, W, 2), across and down."""
        return places(self.motion(picture), picture)

    def extra_repr(self) -> str:
        return f"shift={self.shift}, angle={self.angle}, zoom={self.zoom}"


def places(motion: Tensor, picture: Tensor) -> Tensor:
    """The same motion for pictures of any size: (N, H, W, 2)."""
    return F.affine_grid(motion, list(picture.shape), align_corners=False)


def moved(picture: Tensor, places: Tensor) -> Tensor:
    """The picture seen at these places; what comes in at its edges is mirrored. float32 at least."""
    with without_autocast(picture):
        x = full(picture)
        return F.grid_sample(x, places.to(x.dtype), mode="bicubic", padding_mode="reflection", align_corners=False)
