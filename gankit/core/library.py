"""The recipes that ship: those of gankit, and those of its plugins."""

from __future__ import annotations

import os
from dataclasses import dataclass
from functools import cache
from importlib import resources
from pathlib import Path

from gankit.core.catalogue import catalogue
from gankit.core.errors import Problem, RecipeError
from gankit.core.registry import BUILTIN
from gankit.core.words import suggest


@dataclass(frozen=True)
class Shipped:
    """A recipe that can be named without a path."""

    name: str
    path: Path
    source: str = BUILTIN


@cache
def shipped() -> dict[str, Shipped]:
    """Name -> recipe. One of gankit keeps its name; a plugin's of the same name is there as `plugin/name`."""
    from gankit.core import plugins

    catalogue()  # loads the plugins
    recipes = {path.stem: Shipped(path.stem, path) for path in sorted(_folder().glob("*.yaml"))}
    for status in plugins.statuses():
        for name, path in status.recipes.items():
            key = f"{status.dist}/{name}" if name in recipes else name
            recipes[key] = Shipped(key, path, status.dist)
    return recipes


def find(source: str | os.PathLike[str]) -> Path:
    """The file that a path or a shipped name means. Raises RecipeError."""
    path, name = Path(source), str(source)
    if path.exists() or isinstance(source, os.PathLike):
        return path
    if name in shipped():
        return shipped()[name].path
    if path.suffix in (".yaml", ".yml"):
        raise RecipeError(Problem("there is no such file", file=name))
    near = suggest(name, shipped())
    hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(shipped()) or 'none'}"
    raise RecipeError(Problem(f"there is no recipe called {name!r}, and no such file; {hint}"))


def _folder() -> Path:
    """Inside the wheel, or beside the package in a checkout."""
    package = Path(str(resources.files("gankit")))
    inside = package / "recipes"
    return inside if inside.is_dir() else package.parent / "recipes"
