"""The typed slots and the small result types that components are written against.

A slot is a parameter that a recipe fills with another component. `norm: Norm = InstanceNorm` means: in a recipe
`norm: adalin` or `norm: {type: adalin, eps: 1e-4}`; in Python `norm=AdaLIN` or `norm=partial(AdaLIN, eps=1e-4)`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, NamedTuple

from annotated_types import Ge, Gt, Le, Lt, MinLen
from torch import Tensor, nn

from gankit.core.schema import Slot

__all__ = [
    "Attended",
    "Attention",
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
    "Translated",
]

Norm = Annotated[Callable[..., nn.Module], Slot("norm")]
"""A factory of norms: called with `channels`."""
Attention = Annotated[Callable[..., nn.Module], Slot("attention")]
"""A factory of attention heads: called with `channels`; the head's forward returns `Attended`."""
Generator = Annotated[Callable[..., nn.Module], Slot("generator")]
"""A factory of generators: called with `in_channels, out_channels`."""
Discriminator = Annotated[Callable[..., nn.Module], Slot("discriminator")]
"""A factory of discriminators: called with `in_channels`."""
Backbone = Annotated[Callable[..., nn.Module], Slot("backbone")]
"""A factory of frozen feature networks: called with `layers`, the names of the features that are wanted."""
Loss = Annotated[nn.Module, Slot("loss")]
"""A built loss."""


class Attended(NamedTuple):
    """What an attention head returns.

    features: (N, C, H, W), the re-weighted input. map: (N, 1, H, W) in [0, 1], or None. logits: (N, K) or None.
    """

    features: Tensor
    map: Tensor | None = None
    logits: Tensor | None = None


class Translated(NamedTuple):
    """What a generator with an attention head returns.

    image: (N, C, H, W) in [-1, 1]. attention: (N, 1, h, w) in [0, 1], or None. logits: (N, K) or None.
    """

    image: Tensor
    attention: Tensor | None = None
    logits: Tensor | None = None
