"""A method and a data set whose figures are known beforehand."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from gankit.core.recipe import Recipe
from gankit.core.sections import Evaluate
from gankit.fields import Mask, Picture
from gankit.methods.base import Method, Turn, tensor


class Shift(nn.Module):
    def __init__(self, step: float) -> None:
        super().__init__()
        self.step = nn.Parameter(torch.tensor(step / 127.5))

    def forward(self, x: Tensor) -> Tensor:
        return x + self.step


class Brighten(Method):
    """a2b adds `step` levels of 255 to every pixel, b2a takes them away; attends to the left half."""

    def __init__(self, step: float = 10, attends: bool = True) -> None:
        super().__init__()
        self.takes = {"a": Picture(3), "b": Picture(3)}
        self.add("generator", "a2b", Shift(step))
        self.add("generator", "b2a", Shift(-step))
        self.attends = attends

    def turns(self) -> list[Turn]:
        return [Turn("generator", "generator", ("generator",))]

    def unavailable(self, name: str) -> str | None:
        return None if self.attends or name != "attention" else "it does not attend"

    @tensor
    def output(self, generator: nn.Module, source: Tensor) -> Tensor:
        return generator(source)

    @tensor
    def attention(self, source: Tensor) -> Tensor:
        left = torch.arange(source.shape[-1]) < source.shape[-1] // 2
        return left.float().expand(len(source), 1, *source.shape[-2:])


class Scenes:
    """`count` scenes of 16 x 16 px: level 100, the objects in the left quarter; the truth is 20 levels away there."""

    seed = 5
    fields: ClassVar = {
        **dict.fromkeys(("a", "b", "truth_a2b", "truth_b2a"), Picture(3)),
        "mask_a": Mask(of="a"),
        "mask_b": Mask(of="b"),
    }

    def __init__(self, count: int = 5) -> None:
        self.count = count

    def split(self, name: str) -> Scenes:
        assert name == "test"
        return self

    def __len__(self) -> int:
        return self.count

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        del index, generator
        picture, mask = torch.full((3, 16, 16), 100 / 127.5 - 1), torch.zeros(1, 16, 16)
        mask[..., :4] = 1
        way = mask * 20 / 127.5
        fields = {"a": picture, "b": picture, "mask_a": mask, "mask_b": mask}
        return fields | {"truth_a2b": picture + way, "truth_b2a": picture - way}


class Pairs(Scenes):
    """Pairs without masks, of two sizes in turn; b is 10 levels brighter than a."""

    paired = True
    fields: ClassVar = {"a": Picture(3), "b": Picture(3)}

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        del generator
        a = torch.full((3, 16, 16 + 4 * (index // 2)), 0.0)
        return {"a": a, "b": a + 10 / 127.5}


class Unpaired(Scenes):
    """Two unrelated pictures: nothing to measure against."""

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        return {name: x for name, x in super().item(index, generator).items() if name in "ab"}


def run_of(path: Path, **settings: Any) -> SimpleNamespace:
    recipe = Recipe.load("demo").model_copy(update={"evaluate": Evaluate(**settings)})
    return SimpleNamespace(
        method=Brighten(), dataset=lambda split: Scenes(), run_dir=path, step=7, ema=False, recipe=recipe
    )
