"""Plugins: pip packages with an entry point in the group `gankit`. A broken one costs a line, never the command.

Each plugin is loaded by itself, with its own plugin manager: its hooks are checked, what it adds is collected, and only
when all went well is it committed. One that asks for a newer gankit is refused before it is imported. GANKIT_PLUGINS=''
loads none, `a,b` only those; GANKIT_PLUGINS_STRICT=1 raises.
"""

from __future__ import annotations

import logging
import os
import sys
import time
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import pluggy
from packaging.utils import canonicalize_name

from gankit.core.errors import ComponentError, PluginError
from gankit.core.registry import BUILTIN, LOCAL, NAME, Entry, Registry
from gankit.core.versions import refusal

if TYPE_CHECKING:
    from typer import Typer

GROUP = "gankit"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
logger = logging.getLogger("gankit")
SLOW_MS = 200.0
"""A plugin that takes longer to load makes every command slow."""
AddCommands = Callable[["Typer"], None]


class Hooks:
    """What a plugin may implement. The module of the entry point must be light: strings only, no torch."""

    @hookspec
    def gankit_components(self, add: Callable[[str, str, str, str], None]) -> None:
        """`add(kind, name, "module:Class", "one line")` for each component."""

    @hookspec
    def gankit_recipes(self, add: Callable[[str, str], None]) -> None:
        """`add(name, "package:folder/file.yaml")` for each recipe."""

    @hookspec
    def gankit_commands(self, app: Typer) -> None:
        """`app.command()(function)` or `app.add_typer(...)` on gankit's Typer app."""


@dataclass
class Status:
    """One plugin: what came of it, and what it adds."""

    dist: str
    version: str
    module: str
    state: str = "ok"
    """ok, failed, refused (it asks for another gankit) or disabled"""
    reason: str = ""
    trace: str = ""
    api: int | None = None
    """what it says by `gankit_api`"""
    entries: list[Entry] = field(default_factory=list)
    recipes: dict[str, Path] = field(default_factory=dict)
    commands: Mapping[str, Any] | None = None
    """name -> what runs it; None: not asked for yet"""
    load_ms: float = 0.0
    imports_torch: bool = False
    manager: pluggy.PluginManager | None = None

    @property
    def slow(self) -> bool:
        return self.load_ms > SLOW_MS


class Refused(PluginError):
    """A plugin that asks for another gankit."""


_statuses: list[Status] = []
_disabled: set[str] = set()


def statuses() -> list[Status]:
    """Of the plugins found by `load`, in order of distribution and entry point."""
    return _statuses


def disable(dist: str) -> None:
    """Leave a plugin out; only before the first use of the registry."""
    _disabled.add(canonicalize_name(dist))


def load(registry: Registry) -> None:
    """Load every installed plugin and add what it brings. Raises PluginError only in strict mode."""
    _statuses.clear()
    points = {
        (canonicalize_name(ep.dist.name if ep.dist else ep.value), ep.name, ep.value): ep
        for ep in entry_points(group=GROUP)
    }
    for (dist, _, _), point in sorted(points.items()):
        status = Status(dist, point.dist.version if point.dist else "", point.value)
        _statuses.append(status)
        if reason := _switched_off(dist):
            status.state, status.reason = "disabled", reason
            registry.absent.setdefault(dist, f"is switched off by {reason}")
            continue
        with _watched(status):
            try:
                _load_one(status, point, registry)
            except (Exception, SystemExit) as e:
                _fail(status, e, registry)


@contextmanager
def _watched(status: Status) -> Iterator[None]:
    """Count the time that a plugin takes; say so when torch comes with it."""
    start, had_torch = time.perf_counter(), "torch" in sys.modules
    yield
    status.load_ms += 1000 * (time.perf_counter() - start)
    if "torch" in sys.modules and not had_torch and status.state == "ok":
        status.imports_torch = True
        logger.warning(
            "gankit: the plugin %s %s imports torch when it is loaded, and every command waits for it: import torch "
            "in the modules of its parts instead",
            *(status.dist, status.version),
        )


def _switched_off(dist: str) -> str:
    if dist in _disabled:
        return "--no-plugin"
    only = os.environ.get("GANKIT_PLUGINS")
    if only is not None and dist not in {canonicalize_name(name.strip()) for name in only.split(",") if name.strip()}:
        return "GANKIT_PLUGINS"
    return ""


def _load_one(status: Status, point: EntryPoint, registry: Registry) -> None:
    if status.dist in (BUILTIN, LOCAL):
        raise PluginError(f"another plugin has the name {status.dist}")
    requires = (point.dist.requires if point.dist else None) or ()
    _refuse(refusal(status.dist, requires))
    module = point.load()
    status.api = _api(module)
    _refuse(refusal(status.dist, (), status.api))
    manager = pluggy.PluginManager(GROUP)
    manager.add_hookspecs(Hooks)
    manager.register(module, point.name)
    manager.check_pending()  # raises for a misspelt hook
    if not manager.get_hookcallers(module):
        raise PluginError("implements no hook: is `@gankit.hookimpl` missing?")
    trial = Registry()
    for entry in registry.entries():
        trial.add(entry)

    def add_component(kind: str, name: str, target: str, summary: str) -> None:
        if not isinstance(target, str):
            raise ComponentError(f"{kind} {name}: give 'module:Class' as text, so that listing imports nothing")
        entry = Entry(kind, name, target, summary, status.dist)
        trial.add(entry)
        status.entries.append(entry)

    def add_recipe(name: str, resource: str) -> None:
        status.recipes[name] = _resource(name, resource)

    manager.hook.gankit_components(add=add_component)
    manager.hook.gankit_recipes(add=add_recipe)
    for entry in status.entries:
        registry.add(entry)
    status.manager = manager


def _refuse(reason: str) -> None:
    if reason:
        raise Refused(reason)


def _api(module: ModuleType) -> int | None:
    number = vars(module).get("gankit_api")
    if number is not None and (isinstance(number, bool) or not isinstance(number, int)):
        raise PluginError(f"gankit_api is the number of an API, such as 1, not {number!r}")
    return number


def _resource(name: str, resource: str) -> Path:
    package, colon, inside = str(resource).partition(":")
    if not colon or not NAME.fullmatch(name):
        raise PluginError(f"recipe {name!r}: {resource!r} should look like 'package:recipes/name.yaml'")
    path = Path(str(resources.files(package))) / inside
    if not path.is_file():
        raise PluginError(f"recipe {name!r}: there is no file {path}")
    return path


def _fail(status: Status, error: BaseException, registry: Registry) -> None:
    text = " ".join(str(error).split())[:300]
    status.state = "refused" if isinstance(error, Refused) else "failed"
    status.reason = text if isinstance(error, PluginError | ComponentError) else f"{type(error).__name__}: {text}"
    status.trace = "" if isinstance(error, Refused) else "".join(traceback.format_exception(error))
    status.entries, status.recipes = [], {}
    what = "is not loaded" if isinstance(error, Refused) else "did not load"
    registry.absent[status.dist] = f"{what} ({status.reason})"
    if os.environ.get("GANKIT_PLUGINS_STRICT", "") not in ("", "0"):
        raise PluginError(f"plugin {status.dist} {status.version}: {status.reason}") from error
    logger.warning("gankit: the plugin %s %s %s: %s", status.dist, status.version, what, status.reason)


def read_commands(read: Callable[[AddCommands], Mapping[str, Any]]) -> None:
    """Ask every plugin for its commands, once. One that fails is reported, and its parts stay.

    read: is given what lets one plugin add its commands to a Typer app, and returns them by name.
    """
    for status in _statuses:
        if status.manager is None or status.commands is not None:
            continue
        status.commands, hook = {}, status.manager.hook.gankit_commands
        with _watched(status):
            try:
                status.commands = read(lambda app, hook=hook: hook(app=app))
            except (Exception, SystemExit) as e:
                reason = " ".join(f"{type(e).__name__}: {e}".split())[:300]
                status.state, status.reason = "failed", f"its commands could not be loaded: {reason}"
                status.trace = "".join(traceback.format_exception(e))
                logger.warning("gankit: the commands of the plugin %s could not be loaded: %s", status.dist, reason)
