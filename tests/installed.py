"""Plugins as distributions on the path, made of text."""

from __future__ import annotations

import importlib
import shutil
import sys
import textwrap
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from gankit.core import library, plugins
from gankit.core.catalogue import catalogue
from gankit.core.schema import parameters_of, spec_of


class Site:
    """A folder on the path. Distributions are named `pp-...`, so that their modules can be found and forgotten."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def __call__(
        self,
        dist: str,
        source: str,
        entry: str = "x",
        module: str = "",
        files: dict[str, str] | None = None,
        version: str = "1.2",
        requires: Sequence[str] = (),
    ) -> None:
        """Install a distribution whose entry point is a package of this source; `{module}` in it is the package."""
        self.remove(dist)
        module = module or dist.replace("-", "_")
        (self.folder / module).mkdir(exist_ok=True)
        for name, text in {"__init__.py": source, **(files or {})}.items():
            (self.folder / module / name).write_text(textwrap.dedent(text).replace("{module}", module))
        info = self.folder / f"{dist.replace('-', '_')}-{version}.dist-info"
        info.mkdir()
        needs = "".join(f"Requires-Dist: {need}\n" for need in requires)
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {dist}\nVersion: {version}\n{needs}")
        (info / "entry_points.txt").write_text(f"[gankit]\n{entry} = {module}\n")
        self.forget()

    def remove(self, dist: str) -> None:
        for info in self.folder.glob(f"{dist.replace('-', '_')}-*.dist-info"):
            shutil.rmtree(info)
        self.forget()

    def forget(self) -> None:
        """What this process knows of plugins."""
        for name in [name for name in sys.modules if name.startswith("pp_")]:
            del sys.modules[name]
        importlib.invalidate_caches()
        library.shipped.cache_clear()
        for known in (catalogue, spec_of, parameters_of):
            known.cache_clear()


@pytest.fixture
def install(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """Put a distribution with an entry point on the path."""
    folder = tmp_path_factory.mktemp("site")
    monkeypatch.syspath_prepend(folder)
    monkeypatch.delenv("GANKIT_PLUGINS", raising=False)
    monkeypatch.setattr(plugins, "_disabled", set())
    monkeypatch.setattr("sys.dont_write_bytecode", True)
    site = Site(folder)
    yield site
    site.forget()
