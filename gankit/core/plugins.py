"""Plugins: pip packages with an entry point in the group `gankit`. A broken one costs a line, never the command.

Each plugin is loaded by itself, with its own plugin manager: its hooks are checked, what it adds is collected, and only
when all went well is it committed. GANKIT_PLUGINS='' loads none, `a,b` only those; GANKIT_PLUGINS_STRICT=1 raises.
"""

from __future__ import annotations

import logging
import os
import re
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib import resources
from importlib.metadata import EntryPoint, entry_points
from pathlib import Path
from typing import Any

import pluggy

from gankit.core.errors import ComponentError, PluginError
from gankit.core.registry import BUILTIN, LOCAL, NAME, Entry, Registry

GROUP = "gankit"
hookspec = pluggy.HookspecMarker(GROUP)
hookimpl = pluggy.HookimplMarker(GROUP)
logger = logging.getLogger("gankit")


class Hooks:
    """What a plugin may implement. The module of the entry point must be light: strings only, no torch."""

    @hookspec
    def gankit_components(self, add: Callable[[str, str, str, str], None]) -> None:
        """`add(kind, name, "module:Class", "one line")` for each component."""

    @hookspec
    def gankit_recipes(self, add: Callable[[str, str], None]) -> None:
        """`add(name, "package:folder/file.yaml")` for each recipe."""

    @hookspec
    def gankit_commands(self, app: Any) -> None:
        """`app.command()(function)` or `app.add_typer(...)` on gankit's Typer app."""


@dataclass
class Status:
    """One plugin: what came of it, and what it adds."""

    dist: str
    version: str
    module: str
    state: str = "ok"
    """ok, failed or disabled"""
    reason: str = ""
    trace: str = ""
    components: list[Entry] = field(default_factory=list)
    recipes: dict[str, Path] = field(default_factory=dict)
    load_ms: float = 0.0
    manager: pluggy.PluginManager | None = None


_statuses: list[Status] = []
_disabled: set[str] = set()


def statuses() -> list[Status]:
    """Of the plugins found by `load`, in order of distribution and entry point."""
    return _statuses


def disable(dist: str) -> None:
    """Leave a plugin out; only before the first use of the registry."""
    _disabled.add(canonical(dist))


def canonical(dist: str) -> str:
    return re.sub(r"[-_.]+", "-", dist).lower()


def load(registry: Registry) -> None:
    """Load every installed plugin and add what it brings. Raises PluginError only in strict mode."""
    _statuses.clear()
    found = {
        (canonical(ep.dist.name if ep.dist else ep.value), ep.name, ep.value): ep for ep in entry_points(group=GROUP)
    }
    for (dist, _, _), point in sorted(found.items()):
        status = Status(dist, point.dist.version if point.dist else "", point.value)
        _statuses.append(status)
        if reason := _switched_off(dist):
            status.state, status.reason = "disabled", reason
            registry.absent.setdefault(dist, f"is switched off by {reason}")
            continue
        start = time.perf_counter()
        try:
            _load_one(status, point, registry)
        except (Exception, SystemExit) as e:
            _fail(status, e, registry)
        status.load_ms = 1000 * (time.perf_counter() - start)


def _switched_off(dist: str) -> str:
    if dist in _disabled:
        return "--no-plugin"
    only = os.environ.get("GANKIT_PLUGINS")
    if only is not None and dist not in {canonical(name.strip()) for name in only.split(",") if name.strip()}:
        return "GANKIT_PLUGINS"
    return ""


def _load_one(status: Status, point: EntryPoint, registry: Registry) -> None:
    if status.dist in (BUILTIN, LOCAL):
        raise PluginError(f"the name {status.dist} is taken")
    module = point.load()
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
        status.components.append(entry)

    def add_recipe(name: str, resource: str) -> None:
        status.recipes[name] = _resource(name, resource)

    manager.hook.gankit_components(add=add_component)
    manager.hook.gankit_recipes(add=add_recipe)
    for entry in status.components:
        registry.add(entry)
    status.manager = manager


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
    status.state = "failed"
    status.reason = text if isinstance(error, PluginError | ComponentError) else f"{type(error).__name__}: {text}"
    status.trace = "".join(traceback.format_exception(error))
    status.components, status.recipes = [], {}
    registry.absent[status.dist] = f"did not load ({status.reason})"
    if os.environ.get("GANKIT_PLUGINS_STRICT", "") not in ("", "0"):
        raise PluginError(f"plugin {status.dist} {status.version}: {status.reason}") from error
    logger.warning("gankit: the plugin %s %s did not load: %s", status.dist, status.version, status.reason)


def add_commands(app: Any) -> None:
    """Let every plugin add its commands to the Typer app. One that fails is reported and skipped."""
    for status in _statuses:
        if status.manager is None:
            continue
        try:
            status.manager.hook.gankit_commands(app=app)
        except (Exception, SystemExit) as e:
            status.state, status.reason = "failed", f"{type(e).__name__}: {e}"
            logger.warning("gankit: the commands of the plugin %s did not load: %s", status.dist, status.reason)
