from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

from gankit.core.catalogue import catalogue
from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.core.register import register
from gankit.core.registry import Registry
from tests.core.toys import TOYS

settings.register_profile("gankit", derandomize=True, max_examples=60, deadline=None, database=None)
settings.load_profile("gankit")


@pytest.fixture(autouse=True)
def registry(monkeypatch: pytest.MonkeyPatch) -> Iterator[Registry]:
    """A registry of the built-ins and the toys, without plugins."""
    monkeypatch.setenv("GANKIT_PLUGINS", "")
    catalogue.cache_clear()
    for kind, name, make in TOYS:
        register(kind, name)(make)
    yield catalogue()
    catalogue.cache_clear()


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[..., str]:
    """What gankit says of a recipe's text."""
    monkeypatch.chdir(tmp_path)

    def load(text: str | bytes, *sets: str) -> str:
        Path("x.yaml").write_bytes(text if isinstance(text, bytes) else text.encode())
        with pytest.raises(RecipeError) as caught:
            Recipe.load("x.yaml", sets)
        return str(caught.value)

    return load
