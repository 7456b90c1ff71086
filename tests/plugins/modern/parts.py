"""The parts of gankit-modern in the registry, as if it were installed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from tests.plugins.registered import registered
from tests.plugins.wheels import PLUGINS

PLUGIN = PLUGINS / "gankit-modern"
RECIPES = PLUGIN / "gankit_modern" / "recipes"


@pytest.fixture(autouse=True)
def modern(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    monkeypatch.syspath_prepend(PLUGIN)
    import gankit_modern

    with registered(gankit_modern):
        yield gankit_modern
