"""The plugin's parts in the registry, as if it were installed; its tests are skipped where a library is missing."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from gankit.core.recipe import Recipe
from tests.plugins.registered import registered
from tests.plugins.wheels import PLUGINS

PLUGIN = PLUGINS / "gankit-medical"


@pytest.fixture(scope="module", autouse=True)
def importable() -> Iterator[None]:
    """For a whole module, since its own fixtures, which may be of that scope, import the plugin too."""
    for library in ("pydicom", "nibabel", "scipy", "tifffile"):
        pytest.importorskip(library, reason=f"gankit-medical needs {library}: pip install 'gankit[dev]'")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(PLUGIN)
        yield


@pytest.fixture(autouse=True)
def medical() -> Iterator[Any]:
    import gankit_medical

    with registered(gankit_medical):
        yield gankit_medical


@pytest.fixture
def recipe(tmp_path: Path) -> Callable[..., Recipe]:
    """The recipe of that name, without the line that asks for an installed distribution."""

    def load(name: str, sets: list[str] | tuple[str, ...] = ()) -> Recipe:
        text = (PLUGIN / "gankit_medical" / "recipes" / f"{name}.yaml").read_text()
        path = tmp_path / f"{name}.yaml"
        path.write_text(text.replace('plugins: {gankit-medical: ">=0.1"}\n', ""))
        return Recipe.load(path, sets)

    return load
