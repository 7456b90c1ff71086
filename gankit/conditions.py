"""What a part wants beside its picture or features: conditions, asked for by name.

A norm, a block, an attention head, a generator or a discriminator names them as arguments of its forward, after the
first: `forward(self, x, segmentation)`. What its host has goes through it as one mapping by name, of which each part
takes what it asks for. `gamma` and `beta` of adaptive norms are two of these names.

A condition that comes from the batch, or from who translates, is declared by the part that wants it:

    self.takes = {"segmentation": Segmentation(classes)}

and its host declares the same, so that the method knows what its networks want and gives it. Maps come in the size of
the picture: `at_size` brings them to that of features.
"""

from __future__ import annotations

import inspect
from collections.abc import Collection, Iterable, Mapping
from functools import cache
from typing import Any

from torch import Tensor, nn
from torch.nn import functional as F

from gankit.contracts import ModuleContract
from gankit.fields import Field

Conditions = Mapping[str, Tensor]
"""Tensors by name: gamma and beta (N, C); maps (N, C, H, W) of the size of the picture; labels (N,); vectors (N, K)."""
STYLE = ("gamma", "beta")
"""What adaptive norms want: scale and offset, each (N, C)."""
ANY = "*"
"""In `passes_on`: all that the host itself is given."""


def wants(part: Any) -> tuple[str, ...]:
    """The names that a part, its class or its factory asks for beside its first argument."""
    contract = ModuleContract(part)
    kind = contract.part if inspect.isclass(contract.part) else type(contract.part)
    takes = contract.takes if isinstance(contract.takes, Mapping) else {}  # a property, of a class
    asked = _required(kind.forward) if issubclass(kind, nn.Module) else ()
    return tuple(dict.fromkeys([*asked, *takes]))


@cache
def _required(forward: Any) -> tuple[str, ...]:
    parameters = list(inspect.signature(forward).parameters.values())[2:]  # without self and x
    named = (p for p in parameters if p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY))
    return tuple(p.name for p in named if p.default is p.empty)


def takes_of(part: Any) -> dict[str, Field]:
    """The conditions that a built part wants of the batch, and what each is."""
    return dict(ModuleContract(part).takes)


def chosen(names: Iterable[str], conditions: Conditions | None) -> dict[str, Tensor]:
    """Those of the conditions that a part asks for. Raises ValueError, in words, where one is missing."""
    values = conditions or {}
    for name in names:
        if name not in values:
            raise ValueError(f"a part needs `{name}`, which is not given here; given are {', '.join(values) or 'none'}")
    return {name: values[name] for name in names}


def missing(part: Any, host: Any, slot: str) -> list[str]:
    """Names that the part in a host's slot asks for and the host does not pass on there."""
    passed: Collection[str] = ModuleContract(host).passes_on.get(slot, ())
    names = [*passed, *(name for name in wants(part) if ANY in passed and name not in STYLE)]
    return [name for name in wants(part) if name not in names]


def at_size(map: Tensor, like: Tensor) -> Tensor:
    """A map (N, C, H, W) at the height and width of features, by the nearest pixels."""
    return map if map.shape[-2:] == like.shape[-2:] else F.interpolate(map, like.shape[-2:], mode="nearest")
