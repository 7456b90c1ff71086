"""Names -> components. A component is imported when it is used, never to be listed."""

from __future__ import annotations

import pkgutil
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from gankit.core.errors import ComponentError
from gankit.core.words import suggest

LEADING_ARGUMENTS: dict[str, int] = {
    "generator": 2,
    "discriminator": 1,
    "attention": 1,
    "norm": 1,
    "loss": 0,
    "backbone": 1,
    "method": 0,
    "dataset": 0,
    "metric": 0,
    "optimizer": 1,
    "schedule": 0,
    "augment": 0,
    "codec": 0,
    "callback": 0,
}
"""Kind -> how many leading arguments the host gives. Above 0 the host makes the object itself, from a factory."""

KINDS = tuple(LEADING_ARGUMENTS)
NOT_FOR_USE = frozenset({"loss", "optimizer", "schedule", "augment", "callback", "metric"})
"""Kinds that a training or its figures need, and a trained method does without: one that is missing does not keep a run
from being used."""
BUILTIN, LOCAL = "gankit", "local"
NAME = re.compile(r"[a-z0-9][a-z0-9_.-]*")
TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_][\w.]*")


class UnknownName(LookupError):
    """No component, or more than one, goes by this name."""


@dataclass(frozen=True)
class Entry:
    """One component: its kind, its name, where it is ("module:Class"), and the distribution that brings it."""

    kind: str
    name: str
    target: str | Callable[..., Any]
    summary: str = ""
    source: str = BUILTIN

    @property
    def qualified(self) -> str:
        return f"{self.source}/{self.name}"

    @property
    def is_factory(self) -> bool:
        return LEADING_ARGUMENTS[self.kind] > 0

    @property
    def where(self) -> str:
        return self.target if isinstance(self.target, str) else f"{self.target.__module__}:{self.target.__qualname__}"

    @cached_property
    def make(self) -> Callable[..., Any]:
        """The class or function itself. Raises ComponentError when its module cannot be imported."""
        if not isinstance(self.target, str):
            return self.target
        try:
            return pkgutil.resolve_name(self.target)
        except ComponentError as e:  # its module says what it lacks
            raise ComponentError(f"{self.kind} {self.qualified}: {e}") from e
        except (Exception, SystemExit) as e:
            raise ComponentError(
                f"{self.kind} {self.qualified} cannot be imported from {self.target} ({type(e).__name__}: {e})"
            ) from e


class Registry:
    """All components by kind and name. A built-in keeps its bare name; a plugin's is found bare when it is alone."""

    def __init__(self, rows: Iterable[tuple[str, str, str, str]] = ()) -> None:
        self._entries: dict[tuple[str, str], list[Entry]] = {}
        self.absent: dict[str, str] = {}
        """Distribution -> why its components are not here: a plugin that failed or is switched off."""
        for kind, name, target, summary in rows:
            self.add(Entry(kind, name, target, summary))

    def add(self, entry: Entry) -> None:
        """Raises ComponentError for an unknown kind, a bad name, or one that this source has already given."""
        if entry.kind not in LEADING_ARGUMENTS:
            raise ComponentError(f"there is no kind {entry.kind!r}; there are {', '.join(KINDS)}")
        if not NAME.fullmatch(entry.name):
            raise ComponentError(f"{entry.kind} {entry.name!r}: a name is lower case letters, digits and `_.-`")
        if isinstance(entry.target, str) and not TARGET.fullmatch(entry.target):
            raise ComponentError(f"{entry.kind} {entry.name}: {entry.target!r} should look like 'module:Class'")
        same = self._entries.setdefault((entry.kind, entry.name), [])
        twin = next((e for e in same if e.source == entry.source), None)
        if twin and entry.source == LOCAL and twin.where == entry.where:
            same.remove(twin)  # a notebook cell run again
        elif twin:
            raise ComponentError(f"{entry.source} gives {entry.kind} {entry.name} twice: {twin.where}, {entry.where}")
        same.append(entry)

    def entries(self, kind: str | None = None) -> list[Entry]:
        """In order of kind, then built-ins first, then name."""
        chosen = [e for (k, _), es in self._entries.items() if kind in (None, k) for e in es]
        return sorted(chosen, key=lambda e: (KINDS.index(e.kind), e.source != BUILTIN, e.source, e.name))

    def find(self, kind: str, ref: str) -> Entry:
        """The entry that a bare (`adalin`) or qualified (`gankit-cut/patchnce`) name means. Raises UnknownName."""
        source, _, name = ref.rpartition("/")
        hits = [e for e in self._entries.get((kind, name), []) if source in ("", e.source)]
        hits = [e for e in hits if e.source == BUILTIN] or hits
        if len(hits) == 1:
            return hits[0]
        if hits:
            offers = " and ".join(f"'{e.qualified}'" for e in hits)
            raise UnknownName(f"{ref!r} is the name of {offers}: write the one that you mean in full")
        raise UnknownName(f"no {kind} is called {ref!r}{self._hint(kind, source, name)}")

    def entry_of(self, kind: str, make: Callable[..., Any]) -> Entry | None:
        """The entry under which a class or function is registered."""
        where = f"{make.__module__}:{make.__qualname__}"
        return next((e for e in self.entries(kind) if e.where == where), None)

    def _hint(self, kind: str, source: str, name: str) -> str:
        if source in self.absent:
            return f": the plugin {source} {self.absent[source]}"
        sources = {e.source for e in self.entries()}
        if source and source not in sources:
            return f": no plugin {source} is installed; try `pip install {source}`"
        known = sorted({e.name for e in self.entries(kind)})
        near = suggest(name, known)
        hint = f"; did you mean {near!r}?" if near else f"; there are: {', '.join(known) or 'none'}"
        failed = [f"{dist} {why}" for dist, why in self.absent.items()]
        return hint + (f" (perhaps of a plugin that is not here: {'; '.join(failed)})" if failed else "")
