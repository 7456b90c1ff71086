"""Components without torch, for recipes of the tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, Literal

from annotated_types import Ge, Le, MinLen

from gankit.core.schema import Slot

Norm = Annotated[Callable[..., Any], Slot("norm")]
Attention = Annotated[Callable[..., Any], Slot("attention")]
Generator = Annotated[type | Callable[..., Any], Slot("generator")]
"""A union to type checkers, as the slots of gankit are; in a recipe it takes a part."""
Loss = Annotated[Any, Slot("loss")]


@dataclass(kw_only=True)
class Options:
    """Its options."""

    power: Literal[2, 3] = 2


class PlainNorm:
    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        self.channels, self.eps = channels, eps


class AdaNorm(PlainNorm):
    pass


class Head:
    def __init__(self, channels: int, *, hidden: int = 4) -> None:
        self.channels, self.hidden = channels, hidden


class Net:
    """A generator. Paper: arXiv 1703.10593."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        blocks: int = 9,
        padding: Literal["reflect", "zero"] = "reflect",
        dropout: Annotated[float, Ge(0), Le(1)] = 0.0,
        widths: tuple[int, ...] = (1, 2),
        bias: bool = False,
        norm: Norm = PlainNorm,
        attention: Attention | None = None,
    ) -> None:
        if blocks == 7:
            raise ValueError("seven blocks are not allowed")
        self.norm, self.attention, self.channels = norm(channels), attention and attention(channels), channels
        self.blocks = blocks


class Method:
    def __init__(
        self,
        *,
        generator: Generator = Net,
        back: Generator = partial(Net, blocks=3, norm=AdaNorm),
        sums: dict[str, Loss] | None = None,
        amount: float | tuple[float, float] = 1.0,
    ) -> None:
        if amount == 13.0:
            raise ValueError("thirteen brings bad luck")
        self.generator, self.back, self.sums = generator(3, 3), back(3, 3), sums


class PlainLoss:
    def __init__(self, *, power: float = 1.0, layers: Annotated[list[int], MinLen(1)] | None = None) -> None:
        self.power = power


class SumLoss:
    def __init__(self, *, terms: list[Loss]) -> None:
        self.terms = terms


class Pictures:
    def __init__(self, *, root: str, size: int = 8) -> None:
        self.root = root


TOYS = [
    ("norm", "plain", PlainNorm),
    ("norm", "toynorm", AdaNorm),
    ("attention", "head", Head),
    ("generator", "net", Net),
    ("method", "toy", Method),
    ("loss", "toyloss", PlainLoss),
    ("loss", "sum", SumLoss),
    ("dataset", "pictures", Pictures),
]


def recipe(**changes: Any) -> dict[str, Any]:
    """A valid recipe of toys."""
    return {
        "gankit": 1,
        "name": "toy",
        "method": {"type": "toy"},
        "losses": {"main": {"type": "toyloss"}},
        "data": {"type": "pictures", "root": "x"},
        "train": {"epochs": 2},
    } | changes
