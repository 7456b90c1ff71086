"""From the recipe fragment of an importer to the component itself."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

from torch import nn

from gankit.core.catalogue import catalogue


def assemble(kind: str, fragment: dict[str, Any], *host: Any) -> nn.Module:
    """Build `{"type": name, ...}` with the arguments of its host. Slots are known by their parameter's name."""
    return factory(kind, fragment)(*host)


def factory(kind: str, fragment: dict[str, Any]) -> Callable[..., nn.Module]:
    options = {k: factory(k, v) if isinstance(v, dict) else v for k, v in fragment.items() if k != "type"}
    return partial(catalogue().find(kind, fragment["type"]).make, **options)
