"""The styles in which `translate` draws a picture, for methods that have more than one answer."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

from torch import Tensor

from gankit.core.errors import DataError
from gankit.inference.holes import Provider
from gankit.methods.base import Method
from gankit.methods.styled import Styled

Reader = Callable[[Path], Tensor]
"""A file -> its picture (C, H, W) in [-1, 1]."""


@dataclass(frozen=True)
class Variant:
    """One of the results of each picture: what its name ends in, and the inputs that make it."""

    suffix: str = ""
    more: Provider | None = None


def variants(
    method: Method,
    direction: str,
    target: Reader,
    more: Provider | None = None,
    styles: int | None = None,
    style_image: Path | None = None,
    seed: int | None = None,
) -> list[Variant]:
    """What is made of each picture: `styles` results in random styles (`photo_style1.png`, ...), or one in the style of
    `style_image`, of the target domain, or one in the method's usual style.

    target: reads a picture of the target domain. more: gives the other inputs. seed: of the random styles, 0 when not
    given; by itself, one result in the first of them. Raises DataError where the method has no styles, or both are
    asked for.
    """
    if styles is None and style_image is None and seed is None:
        return [Variant("", more)]
    styled = require_styled(method)
    if style_image is not None:
        if styles is not None or seed is not None:
            raise DataError("give --styles with a --seed, for random styles, or --style-image, for that of a picture")
        example = target(style_image)[None]
        device = styled.device
        return [Variant("", _with(more, styled.encode_style(example.to(device), direction)))]
    codes = styled.styles(styles or 1, seed or 0)
    if styles is None:
        return [Variant("", _with(more, codes))]
    return [Variant(f"_style{i + 1}", _with(more, codes[i : i + 1])) for i in range(styles)]


def require_styled(method: Method) -> Styled:
    """The method. Raises DataError, in words, for one that has no styles."""
    if not isinstance(method, Styled):
        raise DataError("styles are for methods that draw one picture in many ways, such as munit; this run's does not")
    return method


def _with(more: Provider | None, style: Tensor) -> Provider:
    def inputs(source: Path, picture: Tensor) -> Mapping[str, Tensor]:
        return {**(more(source, picture) if more else {}), "style": style}

    return inputs
