"""pydantic's errors in gankit's words."""

from __future__ import annotations

import types
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from annotated_types import Ge, Gt, Le, Lt, MaxLen, MinLen
from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, InitErrorDetails, PydanticCustomError

from gankit.core.words import article, suggest

BOUNDS = {
    "greater_than_equal": ("must be at least {}", "ge"),
    "greater_than": ("must be above {}", "gt"),
    "less_than_equal": ("must be at most {}", "le"),
    "less_than": ("must be below {}", "lt"),
    "finite_number": ("must be finite", ""),
    "multiple_of": ("must be a multiple of {}", "multiple_of"),
}
OURS = frozenset({"gankit", "unknown_key"})
KEY = "[key]"
"""What pydantic appends to the place of a key of a mapping."""
NAME, TERM, DIST = (
    r"^[A-Za-z0-9][A-Za-z0-9._-]{0,99}$",
    r"^[A-Za-z][A-Za-z0-9_-]{0,99}$",
    r"^[A-Za-z0-9]([A-Za-z0-9._-]{0,98}[A-Za-z0-9])?$",
)
PATTERNS = {
    NAME: "a letter or digit, then letters, digits, `.`, `_` and `-`, 100 in all at most",
    TERM: "a letter, then letters, digits, `_` and `-`, 100 in all at most",
    DIST: "the name of a distribution: letters, digits, `.`, `_` and `-`",
}
"""What a text must look like, in words."""


class Named(BaseModel):
    """A model that has a name in messages."""

    @classmethod
    def called(cls) -> str:
        return cls.model_config.get("title") or f"`{cls.__name__.lower()}`"


@dataclass(frozen=True)
class OfKind:
    """Marks a type: it takes the name of a part of this kind."""

    kind: str


def fault(loc: tuple[str | int, ...], message: str, value: object = None, sort: str = "gankit") -> InitErrorDetails:
    """A line of a pydantic ValidationError with a message of ours."""
    error = PydanticCustomError(sort, "{text}", {"text": message})  # pyright: ignore[reportArgumentType]
    return {"type": error, "loc": loc, "input": value}


def explain(model: type[Named], error: ValidationError) -> list[InitErrorDetails]:
    """The faults of one model, each with its place. Several failed branches of one union become one fault."""
    faults: list[InitErrorDetails] = []
    unions: set[str] = set()
    for e in error.errors(include_url=False):
        loc, field = e["loc"], model.model_fields.get(str(e["loc"][0])) if e["loc"] else None
        if field is not None and e["type"] != "missing" and _branches(field) > 1:
            name = str(loc[0])
            if name not in unions:
                unions.add(name)
                faults.append(fault(loc[:1], _of_union(name, error, field, e)))
        elif loc[-1:] == (KEY,) and e["type"] not in OURS:
            faults.append(fault(loc[:-1], f"the key {shown(e['input'])} {_of_text(e)}", e["input"], "unknown_key"))
        elif e["type"] == "too_short" and len(e["input"]) >= e.get("ctx", {}).get("min_length", 0):
            continue  # pydantic counts what is left once it has refused the others
        elif e["type"] == "extra_forbidden" and len(loc) == 1:
            faults.append(fault(loc, _unknown_key(model, str(loc[0])), e["input"], "unknown_key"))
        else:
            faults.append(fault(loc, _say(e, field, model), e["input"], e["type"] if e["type"] in OURS else "gankit"))
    return faults


def _of_union(name: str, error: ValidationError, field: FieldInfo, first: ErrorDetails) -> str:
    """What is wrong with a value that may be of several types: in the words of the branch that knows, if one does."""
    branches = [e for e in error.errors(include_url=False) if e["loc"][:1] == (name,)]
    if said := next((e["msg"] for e in branches if e["type"] in OURS), None):
        return said
    value = first["input"] if len(first["loc"]) <= 2 else None
    return f"must be {describe(_full(field))}" + (f", not {shown(value)}" if value is not None else "")


def _unknown_key(model: type[Named], key: str) -> str:
    known = list(model.model_fields)
    near = suggest(key, known)
    hint = f"did you mean `{near}`?" if near else f"it takes {', '.join(known)}"
    return f"{model.called()} takes no `{key}`; {hint}"


def _say(e: ErrorDetails, field: FieldInfo | None, model: type[Named]) -> str:
    kind, context, value = e["type"], e.get("ctx", {}), e["input"]
    if kind in OURS or kind in ("shape",):
        return e["msg"]
    if kind == "missing":
        return f"{model.called()} needs `{e['loc'][-1]}`"
    if kind in BOUNDS:
        text, key = BOUNDS[kind]
        return f"{text.format(context.get(key))}, not {shown(value)}"
    if kind == "literal_error" and field is not None:
        choices = _choices(field.annotation)
        near = suggest(value, [c for c in choices if isinstance(c, str)]) if isinstance(value, str) else None
        return f"must be {_any_of(choices)}, not {shown(value)}" + (f"; did you mean {near!r}?" if near else "")
    if kind in TEXTUAL:
        return f"{_of_text(e)}, not {shown(value)}"
    if kind in ("too_short", "too_long"):
        sort = "at least" if kind == "too_short" else "at most"
        count = context.get("min_length", context.get("max_length"))
        return f"must have {sort} {count} {'item' if count == 1 else 'items'}, not {context.get('actual_length')}"
    if kind == "value_error":
        return str(context.get("error", e["msg"]))
    if field is not None and (len(e["loc"]) == 1 or kind == "missing"):
        return f"must be {describe(_full(field))}, not {shown(value)}"
    if kind in PLAIN:
        return f"must be {PLAIN[kind]}, not {shown(value)}"
    return f"{e['msg'][:1].lower()}{e['msg'][1:]}, not {shown(value)}"


PLAIN = {
    **{"int_type": "a whole number", "string_type": "text", "bool_type": "true or false", "number": "a number"},
    **dict.fromkeys(("dict_type", "model_type", "model_attributes_type"), "a mapping"),
    **dict.fromkeys(("list_type", "tuple_type"), "a list"),
}
"""Types in words, by the names of pydantic's faults."""
TEXTUAL = ("string_pattern_mismatch", "string_too_short", "string_unicode")


def _of_text(e: ErrorDetails) -> str:
    """What a text must be."""
    if e["type"] == "string_too_short":
        return "must not be empty"
    if e["type"] == "string_unicode":
        return "must be text in Unicode"
    pattern = e.get("ctx", {}).get("pattern", "")
    return f"must be {PATTERNS[pattern]}" if pattern in PATTERNS else f"must be text of the form {pattern}"


def shown(value: object, width: int = 40) -> str:
    """A value as a recipe would have it, cut short."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, list | tuple):
        return "a list"
    text = repr(value) if isinstance(value, str | int | float) else type(value).__name__
    return text if len(text) <= width else text[: width - 3] + "..."


def describe(hint: Any) -> str:
    """A type in words: `a whole number of at least 1`, `'adam' or 'sgd'`, `a list of 2 numbers`."""
    origin, args = get_origin(hint), get_args(hint)
    simple = {int: "a whole number", float: "a number", str: "text", bool: "true or false", type(None): "null"}
    if hint in simple:
        return simple[hint]
    if origin is Annotated:
        kind = next((m.kind for m in hint.__metadata__ if isinstance(m, OfKind)), None)
        if kind:
            return article(kind)
        return " ".join([describe(args[0]), *_bounds(m for m in hint.__metadata__ if args[0] is not str)])
    if origin is Literal:
        return _any_of(args)
    if origin in (Union, types.UnionType):
        return _joined(dict.fromkeys(word for a in args for word in _words(a)))
    if origin is tuple:
        if args and args[-1] is not ...:
            return f"a list of {len(args)} items: {', '.join(map(describe, args))}"
        return "a list, each item " + describe(args[0]) if args else "a list"
    if origin in (list, set, frozenset) or (args and origin is not dict):
        return "a list, each item " + describe(args[0]) if args else "a list"
    if origin is dict:
        keys = _any_of(_choices(args[0])) if _choices(args[0]) else "names"
        return f"a mapping of {keys} to {describe(args[1])}"
    if isinstance(hint, type) and issubclass(hint, BaseModel):
        return "a mapping of " + ", ".join(f"`{name}`" for name in hint.model_fields)
    return hint.__name__ if isinstance(hint, type) else str(hint)


def _words(hint: Any) -> list[str]:
    """A type in words, each of its values for itself where they are few."""
    if hint is bool:
        return ["true", "false"]
    return list(map(shown, get_args(hint))) if get_origin(hint) is Literal else [describe(hint)]


def _bounds(marks: Iterable[object]) -> list[str]:
    said: list[str] = []
    for mark in marks:
        match mark:
            case Ge(ge=x):
                said.append(f">= {x}")
            case Gt(gt=x):
                said.append(f"> {x}")
            case Le(le=x):
                said.append(f"<= {x}")
            case Lt(lt=x):
                said.append(f"< {x}")
            case MinLen(min_length=x):
                said.append(f"of {x} or more items")
            case MaxLen(max_length=x):
                said.append(f"of {x} or fewer items")
    return [" and ".join(said)] if said else []


def _full(field: FieldInfo) -> Any:
    """A field's annotation with the bounds that pydantic took off it."""
    return Annotated[field.annotation, *field.metadata] if field.metadata else field.annotation


def _branches(field: FieldInfo) -> int:
    """Of how many types a value may be, besides null. A part is one, whatever its slot is to type checkers."""
    hint = field.annotation
    if get_origin(hint) not in (Union, types.UnionType) or any(isinstance(m, OfKind) for m in field.metadata):
        return 1
    return sum(a is not type(None) for a in get_args(hint))


def _choices(hint: Any) -> tuple[Any, ...]:
    if get_origin(hint) is Literal:
        return get_args(hint)
    return tuple(c for a in get_args(hint) for c in _choices(a))


def _any_of(choices: Iterable[object]) -> str:
    return _joined(map(shown, choices))


def _joined(words: Iterable[str]) -> str:
    *most, last = words
    between = " or " if any(" or " in word for word in most) else ", "  # lists of alternatives are kept apart
    return f"{between.join(most)} or {last}" if most else last
