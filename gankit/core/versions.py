"""Versions of gankit and of its plugins: what a plugin asks of gankit, and what an older or newer one has written."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping
from importlib import metadata
from typing import Any, Protocol, runtime_checkable

from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from packaging.version import InvalidVersion, Version

import gankit
from gankit.core.errors import ComponentError
from gankit.core.registry import BUILTIN, LOCAL, Entry

API = 1
"""What a plugin may rely on has this number: the hooks, the contracts of parts, the public names. It rises when one is
added or changed. A plugin says by `gankit_api = 1` in the module of its entry point what it was written for."""
UPPER = ("<", "<=", "!=")
logger = logging.getLogger("gankit")


@runtime_checkable
class Upgradable(Protocol):
    """A part that knows what its arguments were called before."""

    def upgrade(self, arguments: dict[str, Any], version: Version, /) -> Mapping[str, Any]:
        """The arguments as that older version of its distribution wrote them -> as they are today."""
        ...


def installed(dist: str) -> Version | None:
    """None: it is not installed, or its version is no version."""
    try:
        return Version(gankit.__version__ if dist == BUILTIN else metadata.version(dist))
    except (metadata.PackageNotFoundError, InvalidVersion):
        return None


def of_sources(dists: Iterable[str]) -> dict[str, str]:
    """Distribution -> its installed version; gankit first."""
    versions = {dist: installed(dist) for dist in sorted(set(dists) - {LOCAL, BUILTIN})}
    return {BUILTIN: gankit.__version__} | {dist: str(version) for dist, version in versions.items() if version}


def refusal(dist: str, requires: Iterable[str], api: int | None = None) -> str:
    """Why a plugin that requires this, and is written for this API, cannot work with this gankit; "" where it can."""
    this = f"this is gankit {gankit.__version__}"
    for need in _needs(requires):
        failed = [clause for clause in need.specifier if not clause.contains(gankit.__version__, prereleases=True)]
        if failed:
            older = all(clause.operator in UPPER for clause in failed)
            cure = f"pip install --upgrade {dist}" if older else f"pip install --upgrade 'gankit{need.specifier}'"
            return f"it asks for gankit{need.specifier}, and {this}: `{cure}`"
    if api is not None and api > API:
        return f"it is written for plugin API {api}, and {this}, of API {API}: `pip install --upgrade gankit`"
    return ""


def _needs(requires: Iterable[str]) -> Iterable[Requirement]:
    """Those of gankit, as it is installed without extras of the plugin."""
    for text in requires:
        try:
            need = Requirement(text)
        except InvalidRequirement:
            continue
        if canonicalize_name(need.name) == BUILTIN and (need.marker is None or need.marker.evaluate({"extra": ""})):
            yield need


def upgraded(entry: Entry, arguments: dict[str, Any], written: Mapping[str, str]) -> Mapping[str, Any]:
    """The arguments of a part as they are called today. written: distribution -> its version that wrote them.

    Raises ComponentError when the part's `upgrade` fails.
    """
    text, now = written.get(entry.source), installed(entry.source)
    then = Version(text) if text else None
    if then is None or now is None or then >= now or not isinstance(entry.make, Upgradable):
        return arguments
    what = f"{entry.kind} {entry.qualified}: its `upgrade` of arguments of version {then}"
    try:
        today = entry.make.upgrade(dict(arguments), then)
    except Exception as e:
        raise ComponentError(f"{what} failed ({type(e).__name__}: {e})") from e
    if not isinstance(today, Mapping):
        raise ComponentError(f"{what} gave {type(today).__name__}, not a mapping")
    return today


def warn_of_newer(what: str, written: Mapping[str, str]) -> None:
    """Say so when a newer version than the installed one has written something."""
    for dist, text in written.items():
        now = installed(dist)
        if now is not None and Version(text) > now:
            logger.warning(
                "gankit: %s was written with %s %s, and %s is installed: it may mean something else; `pip install "
                "--upgrade %s`",
                *(what, dist, text, now, dist),
            )
