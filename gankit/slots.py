"""The typed slots and the small result types that components are written against.

A slot is a parameter that a recipe fills with another component. `norm: Norm = InstanceNorm` means: in a recipe
`norm: adalin` or `norm: {type: adalin, eps: 1e-4}`; in Python `norm=AdaLIN` or `norm=partial(AdaLIN, eps=1e-4)`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Annotated, Any, Literal, NamedTuple, Protocol

from annotated_types import Ge, Gt, Le, Lt, MinLen
from torch import Tensor, nn, optim

from gankit.core.schema import Slot

__all__ = [
    "Attended",
    "Attention",
    "Augment",
    "Backbone",
    "Discriminator",
    "Ge",
    "Generator",
    "Gt",
    "Le",
    "Loss",
    "Lt",
    "MinLen",
    "Norm",
    "Optimizer",
    "Position",
    "Schedule",
    "Translated",
    "Unit",
]


class Attended(NamedTuple):
    """What an attention head returns.

    features: (N, C, H, W), the re-weighted input. map: (N, 1, H, W) in [0, 1], or None. logits: (N, K) or None.
    """

    features: Tensor
    map: Tensor | None = None
    logits: Tensor | None = None


# -- factories ------------------------------------------------------------------------------------------------------
# A factory is a class, a function, or a partial of one. A type checker knows it from a built part by what only the
# former have (`__name__`, `func`), and one kind from another by the names and number of what it is made with.
class Named(Protocol):
    """A class or a function."""

    @property
    def __name__(self) -> str: ...


class Partial(Protocol):
    """A `functools.partial`."""

    @property
    def func(self) -> Callable[..., Any]: ...


class NamedNorm(Named, Protocol):
    def __call__(self, channels: int) -> nn.Module: ...


class PartialNorm(Partial, Protocol):
    def __call__(self, channels: int) -> nn.Module: ...


class NamedGenerator(Named, Protocol):
    def __call__(self, in_channels: int, out_channels: int) -> nn.Module: ...


class PartialGenerator(Partial, Protocol):
    def __call__(self, in_channels: int, out_channels: int) -> nn.Module: ...


class NamedDiscriminator(Named, Protocol):
    def __call__(self, in_channels: int) -> nn.Module: ...


class PartialDiscriminator(Partial, Protocol):
    def __call__(self, in_channels: int) -> nn.Module: ...


class NamedBackbone(Named, Protocol):
    def __call__(self, layers: Sequence[str]) -> nn.Module: ...


class PartialBackbone(Partial, Protocol):
    def __call__(self, layers: Sequence[str]) -> nn.Module: ...


class Head(Protocol):
    """What a head is known by: its forward."""

    @property
    def forward(self) -> Callable[..., Attended]: ...


class NamedHead(Named, Head, Protocol):
    def __call__(self, channels: int, /) -> nn.Module: ...


class PartialHead(Protocol):
    @property
    def func(self) -> Callable[..., Head]: ...
    def __call__(self, channels: int, /) -> nn.Module: ...


Norm = Annotated[NamedNorm | PartialNorm, Slot("norm")]
"""A factory of norms: called with `channels`."""
Attention = Annotated[NamedHead | PartialHead, Slot("attention")]
"""A factory of attention heads: called with the number of channels; the head's forward returns `Attended`."""
Generator = Annotated[NamedGenerator | PartialGenerator, Slot("generator")]
"""A factory of generators: called with `in_channels, out_channels`."""
Discriminator = Annotated[NamedDiscriminator | PartialDiscriminator, Slot("discriminator")]
"""A factory of discriminators: called with `in_channels`."""
Backbone = Annotated[NamedBackbone | PartialBackbone, Slot("backbone")]
"""A factory of frozen feature networks: called with `layers`, the names of the features that are wanted."""
Loss = Annotated[nn.Module, Slot("loss")]
"""A built loss."""
Augment = Annotated[nn.Module, Slot("augment")]
"""A built augment; it derives from `gankit.augment.Augment`."""
Optimizer = Annotated[Callable[..., optim.Optimizer], Slot("optimizer")]
"""A factory of optimizers: called with `params`."""
Unit = Literal["epoch", "step"]
"""What a schedule may count by."""


@dataclass(frozen=True)
class Position:
    """Where a training is. step, epoch: of the step to come, counted from 0. steps, epochs: of the whole training."""

    step: int
    epoch: int
    steps: int
    epochs: int

    def by(self, unit: Unit) -> tuple[int, int]:
        """How many units lie behind, and how many there are in all."""
        return (self.epoch, self.epochs) if unit == "epoch" else (self.step, self.steps)


Schedule = Annotated[Callable[[Position], float], Slot("schedule")]
"""A built schedule: called with a Position, it returns the factor on the learning rate, 0 or more."""


class Translated(NamedTuple):
    """What a generator with an attention head returns.

    image: (N, C, H, W) in [-1, 1]. attention: (N, 1, h, w) in [0, 1], or None. logits: (N, K) or None.
    """

    image: Tensor
    attention: Tensor | None = None
    logits: Tensor | None = None
