"""What `gankit list` and `gankit show` say of components."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, is_dataclass
from typing import Any

from pydantic import BaseModel

from gankit.core.catalogue import catalogue
from gankit.core.errors import GankitError
from gankit.core.registry import KINDS, Entry
from gankit.core.words import suggest


class UnknownComponent(GankitError, LookupError):
    """No component, or no kind, goes by this name."""

    exit_code = 2


@dataclass(frozen=True)
class Component:
    """One line of a listing. Nothing is imported for it."""

    kind: str
    name: str
    summary: str
    source: str
    target: str


@dataclass(frozen=True)
class Parameter:
    """One argument of a component, as a recipe gives it."""

    name: str
    type: str
    default: Any = None
    required: bool = False


@dataclass(frozen=True)
class Details(Component):
    """A component with what its code says: this imports it."""

    parameters: tuple[Parameter, ...]
    doc: str
    arxiv: tuple[str, ...]


def components(kind: str | None = None) -> list[Component]:
    """What a recipe can name, of one kind or of all; plugins' too. Imports none of them.

    Raises UnknownComponent when there is no such kind.
    """
    if kind is not None and kind not in KINDS:
        near = suggest(kind, KINDS)
        hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(KINDS)}"
        raise UnknownComponent(f"there is no kind {kind!r}; {hint}")
    return [Component(e.kind, e.name, e.summary, e.source, e.where) for e in catalogue().entries(kind)]


def named(ref: str) -> list[Entry]:
    """The components called `resnet`, `gankit-cut/patchnce` or `generator:resnet`. Raises UnknownComponent."""
    kind, _, name = ref.rpartition(":")
    source, _, bare = name.rpartition("/")
    entries = [e for e in catalogue().entries(kind or None) if e.name == bare and source in ("", e.source)]
    if not entries:
        near = suggest(bare, sorted({e.name for e in catalogue().entries()}))
        hint = f"did you mean {near!r}?" if near else "see `gankit list`"
        raise UnknownComponent(f"there is no part called {ref!r}; {hint}")
    return entries


def details(entry: Entry) -> Details:
    """Raises ComponentError when the component cannot be imported or described."""
    from gankit.core.explain import describe
    from gankit.core.schema import hints_of, spec_of

    model, hints = spec_of(entry), hints_of(entry)
    parameters = tuple(
        Parameter(
            name, describe(hints[name]), None if field.is_required() else _plain(field.default), field.is_required()
        )
        for name, field in model.model_fields.items()
        if name != "type"
    )
    doc = "\n\n".join(docstrings(entry.make))
    arxiv = tuple(dict.fromkeys(re.findall(r"\b\d{4}\.\d{4,5}\b", doc)))
    return Details(entry.kind, entry.name, entry.summary, entry.source, entry.where, parameters, doc, arxiv)


def docstrings(make: Callable[..., Any]) -> Iterator[str]:
    """Its docstring; of a dataclass also those of the bases whose fields it takes."""
    yield inspect.getdoc(make) or ""
    for base in make.__mro__[1:] if inspect.isclass(make) and is_dataclass(make) else ():
        if "__dataclass_fields__" in vars(base):
            yield inspect.getdoc(base) or ""


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, tuple | list):
        return [_plain(v) for v in value]
    return {k: _plain(v) for k, v in value.items()} if isinstance(value, dict) else value
