"""A plugin's parts in the registry, as if it were installed."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType

from gankit.core.catalogue import catalogue
from gankit.core.registry import Entry


@contextmanager
def registered(plugin: ModuleType) -> Iterator[ModuleType]:
    """plugin: its package, whose own hook says what the parts are."""
    distribution, registry = plugin.__name__.replace("_", "-"), catalogue()
    added: list[Entry] = []
    plugin.gankit_components(lambda *row: added.append(Entry(*row, distribution)))
    for entry in added:
        registry.add(entry)
    yield plugin
    for entry in added:
        registry._entries[entry.kind, entry.name].remove(entry)
