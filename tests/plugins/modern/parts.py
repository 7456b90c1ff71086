"""The parts of gankit-modern in the registry, as if it were installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from gankit.core.catalogue import catalogue
from gankit.core.registry import Entry
from tests.plugins.wheels import PLUGINS

PLUGIN = PLUGINS / "gankit-modern"
RECIPES = PLUGIN / "gankit_modern" / "recipes"


@pytest.fixture(autouse=True)
def modern(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(PLUGIN)
    import gankit_modern

    rows: list[tuple[str, str, str, str]] = []
    gankit_modern.gankit_components(lambda *row: rows.append(row))
    registry = catalogue()
    added = [Entry(kind, name, target, line, "gankit-modern") for kind, name, target, line in rows]
    for entry in added:
        registry.add(entry)
    yield gankit_modern
    for entry in added:
        registry._entries[entry.kind, entry.name].remove(entry)
