"""Style transfer by optimisation of the picture itself (Gatys et al. 2016, arXiv 1508.06576)."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor, nn

from gankit.codecs.images import image_size
from gankit.core.errors import BuildError, DataError
from gankit.methods.base import Method, Turn, tensor
from gankit.methods.style import open_picture, sides
from gankit.slots import Ge, Le

SQUARE = 512


class Picture(nn.Module):
    """A picture whose pixels are the parameters: () -> (1, 3, H, W), near [-1, 1]. Loaded, it takes the stored size."""

    def __init__(self, height: int, width: int) -> None:
        super().__init__()
        self.pixels = nn.Parameter(torch.randn(1, 3, height, width).mul_(0.5))

    def forward(self) -> Tensor:
        return self.pixels

    def _load_from_state_dict(self, state_dict: Mapping[str, Tensor], prefix: str, *rest: Any) -> None:
        stored = state_dict.get(f"{prefix}pixels")
        if stored is not None and stored.ndim == 4 and stored.shape != self.pixels.shape:
            # of a run whose content is not here any more
            self.pixels.data = self.pixels.data.new_empty(stored.shape)
        super()._load_from_state_dict(state_dict, prefix, *rest)  # type: ignore[arg-type]


class Gatys(Method):
    """Style transfer of arXiv 1508.06576: one picture, optimised to have the content of one and the style of another.

    No network is trained: the picture's pixels are the parameters, and the result of the run is the picture
    (`result.png`). The method offers output, target (the content) and style, all (1, 3, H, W) in [-1, 1]. The losses
    say what content and style are: `perceptual`, `gram_style`. The batch is not looked at, so take `data: none`.

    Args:
        content: the path of the picture to redraw.
        style: the path of the picture whose style is taken.
        size: the longer side of the result in pixels. None keeps that of the content.
        style_size: the longer side of the style in pixels. None takes `size`.
        start: the picture to start from, which is the `content`, or `noise` as in the paper.
    """

    directions: ClassVar[tuple[str, ...]] = ("a2b",)
    fields: ClassVar[Mapping[str, Mapping[str, str]]] = {"a2b": {}}
    inputs: ClassVar[tuple[str, ...]] = ()
    untranslatable: ClassVar[str] = (
        "gatys has no network that could translate a picture: its one result is result.png in the run. For this "
        "picture run `gankit train gatys --set method.content=PICTURE --set method.style=STYLE`; the recipe `style` "
        "trains a network that takes any picture"
    )

    def __init__(
        self,
        content: str | None = None,
        style: str | None = None,
        size: Annotated[int, Ge(16), Le(32_768)] | None = SQUARE,
        style_size: Annotated[int, Ge(16), Le(32_768)] | None = None,
        start: Literal["content", "noise"] = "content",
    ) -> None:
        super().__init__()
        self.content_path, self.style_path, self.size = content, style, size
        self.style_size = style_size or size
        self._pictures: dict[str, Tensor] = {}
        picture = Picture(*self._sides())
        if start == "content" and content is not None and picture.pixels.device.type != "meta":
            with suppress(BuildError):  # `prepare` reports it; a trained run does not need it
                picture.pixels.data.copy_(self._read("content"))
        self.add("picture", "a2b", picture)

    def turns(self) -> list[Turn]:
        return [Turn("generator", "generator", ("picture",))]

    @property
    def sources(self) -> dict[str, list[Path]]:
        given = {"content": self.content_path, "style": self.style_path}
        return {name: [Path(path).expanduser()] for name, path in given.items() if path is not None}

    def prepare(self) -> None:
        for parameter in ("content", "style"):
            if getattr(self, f"{parameter}_path") is not None:
                self._read(parameter)

    def product(self) -> Tensor:
        return self.network("picture", "a2b")().detach()[0].clamp(-1, 1)

    @tensor
    def output(self, picture: nn.Module) -> Tensor:
        """The picture as it is now."""
        return picture()

    @tensor
    def target(self) -> Tensor:
        """The content."""
        return self._picture("content")

    @tensor
    def style(self) -> Tensor:
        """The picture whose style is taken."""
        return self._picture("style")

    def unavailable(self, name: str) -> str | None:
        for tensor_name, parameter in (("target", "content"), ("style", "style")):
            if name == tensor_name and getattr(self, f"{parameter}_path") is None:
                return f"no picture is given: set method.{parameter} to its path"
        return super().unavailable(name)

    def translate(self, source: Tensor | Mapping[str, Tensor] | None = None, direction: str = "a2b") -> Tensor:
        """The picture of the run, (1, 3, H, W) in [-1, 1]; DataError when asked to translate another."""
        self._refuse(source)
        return super().translate({}, direction)

    def attend(self, source: Tensor | Mapping[str, Tensor] | None = None, direction: str = "a2b") -> Tensor | None:
        self._refuse(source)
        return None

    def _refuse(self, source: Tensor | Mapping[str, Tensor] | None) -> None:
        if source is not None and (isinstance(source, Tensor) or source):
            raise DataError(self.untranslatable)

    # -- pictures ----------------------------------------------------------------------------------------------------
    def _sides(self) -> tuple[int, int]:
        """Of the result; a square where the content is not there, which `prepare` reports."""
        try:
            if self.content_path is not None:
                return sides(*image_size(Path(self.content_path).expanduser()), self.size)
        except DataError:
            pass
        return self.size or SQUARE, self.size or SQUARE

    def _read(self, parameter: str) -> Tensor:
        if parameter not in self._pictures:
            size = self.size if parameter == "content" else self.style_size
            self._pictures[parameter] = open_picture(parameter, getattr(self, f"{parameter}_path"), size)
        return self._pictures[parameter]

    def _picture(self, parameter: str) -> Tensor:
        device = self.device
        if device.type == "meta":  # only sizes are wanted
            height, width = self._sides()
            return torch.empty(1, 3, height, width, device=device)
        return self._read(parameter).to(device)
