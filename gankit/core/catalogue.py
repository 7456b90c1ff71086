"""The catalogue of this process: all components that a recipe can name."""

from __future__ import annotations

from functools import cache

from gankit.core import plugins
from gankit.core.builtins import BUILTINS
from gankit.core.registry import Registry


@cache
def catalogue() -> Registry:
    """What ships, and what the installed plugins add."""
    registry = Registry(BUILTINS)
    plugins.load(registry)
    return registry
