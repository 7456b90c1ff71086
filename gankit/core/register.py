"""Names for components of notebooks and scripts."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from gankit.core.catalogue import catalogue
from gankit.core.registry import LOCAL, Entry
from gankit.core.schema import spec_of

T = TypeVar("T", bound=Callable[..., Any])


def register(kind: str, name: str) -> Callable[[T], T]:
    """`@gankit.register("norm", "mine")` gives a class or function a name for recipes. The class stays as it is.

    Meant for notebooks and scripts; a package registers through the plugin hook `gankit_components`.
    Raises ComponentError when the name is taken or the signature cannot be described in a recipe.
    """

    def add(make: T) -> T:
        entry = Entry(kind, name, make, (make.__doc__ or "").strip().partition("\n")[0], LOCAL)
        spec_of(entry)
        catalogue().add(entry)
        return make

    return add
