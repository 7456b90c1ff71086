"""What the tests of several plugins need."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest


@pytest.fixture
def uninstalled(request: pytest.FixtureRequest, tmp_path: Path) -> Callable[[str], Path]:
    """A recipe of the plugin, from the folder `RECIPES` of the test's module, without the line that asks pip for it."""

    def copy(name: str) -> Path:
        lines = (request.module.RECIPES / f"{name}.yaml").read_text().splitlines()
        path = tmp_path / f"{name}.yaml"
        path.write_text("\n".join(line for line in lines if not line.startswith("plugins:")))
        return path

    return copy
