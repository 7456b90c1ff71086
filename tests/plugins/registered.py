"""A plugin's parts in the registry, as if it were installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from gankit.core.catalogue import catalogue
from gankit.core.registry import Entry


@contextmanager
def registered(plugin: ModuleType) -> Iterator[ModuleType]:
    """plugin: its package, whose PARTS are (kind, name, place in the package, summary)."""
    package, registry = plugin.__name__, catalogue()
    added = [
        Entry(kind, name, f"{package}.{place}", line, package.replace("_", "-"))
        for kind, name, place, line in plugin.PARTS
    ]
    for entry in added:
        registry.add(entry)
    yield plugin
    for entry in added:
        registry._entries[entry.kind, entry.name].remove(entry)
