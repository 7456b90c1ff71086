"""gankit: image-to-image GANs from parts. The names below are loaded when they are first used."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

__version__ = "0.1.0"

_HOMES = {
    "build": "gankit.api",
    "evaluate": "gankit.api",
    "load": "gankit.api",
    "train": "gankit.api",
    "Recipe": "gankit.core.recipe",
    "components": "gankit.core.listing",
    "hookimpl": "gankit.core.plugins",
    "register": "gankit.core.registry",
    "GankitError": "gankit.core.errors",
    "RecipeError": "gankit.core.errors",
    "BuildError": "gankit.core.errors",
    "ComponentError": "gankit.core.errors",
    "PluginError": "gankit.core.errors",
    "DataError": "gankit.core.errors",
    "CheckpointError": "gankit.core.errors",
    "TrainingError": "gankit.core.errors",
}

__all__ = [
    "BuildError",
    "CheckpointError",
    "ComponentError",
    "DataError",
    "GankitError",
    "PluginError",
    "Recipe",
    "RecipeError",
    "TrainingError",
    "__version__",
    "build",
    "components",
    "evaluate",
    "hookimpl",
    "load",
    "register",
    "train",
]

if TYPE_CHECKING:
    from gankit.api import build, evaluate, load, train
    from gankit.core.errors import (
        BuildError,
        CheckpointError,
        ComponentError,
        DataError,
        GankitError,
        PluginError,
        RecipeError,
        TrainingError,
    )
    from gankit.core.listing import components
    from gankit.core.plugins import hookimpl
    from gankit.core.recipe import Recipe
    from gankit.core.registry import register


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'gankit' has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOMES})
