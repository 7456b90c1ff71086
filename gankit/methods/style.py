"""Style transfer by a network, one for each style (Johnson et al. 2016, arXiv 1603.08155)."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.codecs.images import read_image, to_model_range
from gankit.core.errors import BuildError, DataError
from gankit.fields import Picture
from gankit.generators.johnson import JohnsonGenerator
from gankit.init import Init, initialize
from gankit.methods.base import Translation, Turn, tensor
from gankit.slots import Ge, Generator, Gt, Le


class Style(Translation):
    """Fast style transfer (arXiv 1603.08155): a generator that redraws any picture in the style of one.

    The method offers source, output, filtered, and style. The last is the picture whose style is taken. It is constant,
    so that its features are computed once. The losses say what content and style are: `perceptual` (on: {target:
    source}) and `gram_style`. Pictures are (N, 3, H, W) in [-1, 1].

    A run learns one style. For several styles train one run each.

    Args:
        style: the path of the picture. It is read when training begins, and a trained network no longer needs it. None
            is for a network that was trained elsewhere.
        style_size: the longer side of the style in pixels, which sets the size of the brush strokes. None keeps the
            picture as it is.
        generator: the network that redraws pictures.
        median_filter: whether a translation goes through a median of 3 x 3 px, channel by channel, as the authors'
            program does when it is used. No loss sees it. Their filter loses the outermost pixels; here the picture
            keeps its size.
        init, init_gain: how weights start, see `gankit.init.initialize`.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {"source": "a"}}
    result: ClassVar[str] = "filtered"

    def __init__(
        self,
        style: str | None = None,
        style_size: Annotated[int, Ge(16), Le(32_768)] | None = 256,
        generator: Generator = JohnsonGenerator,
        median_filter: bool = False,
        init: Init = "default",
        init_gain: Annotated[float, Gt(0)] = 0.02,
    ) -> None:
        super().__init__()
        self.takes = {"a": Picture(3)}
        self.style_path, self.style_size = style, style_size
        self.median_filter = median_filter
        self._style: Tensor | None = None
        self.add("generator", "a2b", generator(3, 3))
        initialize(self.networks, init, init_gain)

    def turns(self) -> list[Turn]:
        return [Turn("generator", "generator", ("generator",))]

    @property
    def sources(self) -> dict[str, list[Path]]:
        return {} if self.style_path is None else {"style": [Path(self.style_path).expanduser()]}

    def prepare(self) -> None:
        if self._style is None and self.style_path is not None:
            self._style = open_picture("style", self.style_path, self.style_size)

    @tensor
    def filtered(self, output: Tensor) -> Tensor:
        """The output, through a median of 3 x 3 px if the method is told so: what a translation returns."""
        return median(output) if self.median_filter else output

    @tensor
    def style(self) -> Tensor:
        """The picture whose style is taken, (1, 3, h, w)."""
        device = self.device
        if device.type == "meta":  # only sizes are wanted
            return torch.empty(1, 3, self.style_size or 256, self.style_size or 256, device=device)
        self.prepare()
        assert self._style is not None
        return self._style.to(device)

    def unavailable(self, name: str) -> str | None:
        if name in ("critic", "fake_logits", "real_logits"):
            return "it has no discriminator"
        if name == "style" and self.style_path is None:
            return "no picture is given: set method.style to its path"
        return super().unavailable(name)


def median(picture: Tensor) -> Tensor:
    """The median of each pixel and its eight neighbours, (N, C, H, W); border pixels are repeated outwards."""
    padded = F.pad(picture, (1, 1, 1, 1), mode="replicate")
    lowest, middle, highest = _sorted(*(padded[:, :, i : i + picture.shape[2]] for i in range(3)))
    # Of three sorted columns, the median of all nine is that of: the largest of the lowest values, the median of the
    # middle ones, the smallest of the highest.
    candidates = (_sorted(*(row[..., i : i + picture.shape[3]] for i in range(3))) for row in (lowest, middle, highest))
    (_, _, low), (_, between, _), (high, _, _) = candidates
    return _sorted(low, between, high)[1]


def _sorted(a: Tensor, b: Tensor, c: Tensor) -> tuple[Tensor, Tensor, Tensor]:
    """Three tensors in order, value by value. By comparisons alone: every format of an export knows these."""
    low, high = torch.minimum(a, b), torch.maximum(a, b)
    return torch.minimum(low, c), torch.maximum(low, torch.minimum(high, c)), torch.maximum(high, c)


def open_picture(parameter: str, path: str, size: int | None) -> Tensor:
    """A picture file as (1, 3, H, W) in [-1, 1], its longer side `size` pixels (None: as it is).

    Raises BuildError at the method's parameter when it cannot be read.
    """
    try:
        picture = to_model_range(read_image(Path(path).expanduser()))[None]
    except DataError as e:
        raise BuildError((parameter,), f"{e}; give the path of a picture, as --set method.{parameter}=PICTURE") from e
    height, width = sides(picture.shape[-2], picture.shape[-1], size)
    if (height, width) == tuple(picture.shape[-2:]):
        return picture
    return F.interpolate(picture, size=(height, width), mode="bicubic", antialias=True).clamp(-1, 1)


def sides(height: int, width: int, size: int | None) -> tuple[int, int]:
    """(height, width) scaled so that the longer is `size`."""
    if size is None:
        return height, width
    scale = size / max(height, width)
    return max(1, round(height * scale)), max(1, round(width * scale))
