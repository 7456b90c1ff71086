"""The public names of packages, each imported when it is first used: `from gankit.losses import LSGAN`."""

from __future__ import annotations

import sys
from collections.abc import Callable
from importlib import import_module
from typing import Any

from gankit.core.builtins import BUILTINS

Lazily = tuple[list[str], Callable[[str], Any], Callable[[], list[str]]]


def names(package: str, **others: str) -> Lazily:
    """`__all__`, `__getattr__` and `__dir__` of a package: its parts in the table of built-ins, and others.

    others: name -> the module where it is.
    """
    targets = (target.split(":") for _, _, target, _ in BUILTINS)
    homes = {name: module for module, name in targets if module.rpartition(".")[0] == package} | others

    def load(name: str) -> Any:
        if name not in homes:
            raise AttributeError(f"module {package!r} has no attribute {name!r}")
        value = getattr(import_module(homes[name]), name)
        setattr(sys.modules[package], name, value)
        return value

    return sorted(homes), load, lambda: sorted({*vars(sys.modules[package]), *homes})
