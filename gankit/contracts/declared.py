"""What all contracts share: the declared attribute, and how a part is held to what it declares."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator
from functools import cache, partial
from types import MappingProxyType, NoneType, UnionType
from typing import (
    Annotated,
    Any,
    ClassVar,
    Generic,
    Literal,
    NamedTuple,
    TypeVar,
    Union,
    get_args,
    get_origin,
    get_type_hints,
    overload,
)

from annotated_types import Ge
from pydantic import ConfigDict, TypeAdapter, ValidationError

from gankit.core.words import suggest

T = TypeVar("T")
Size = Annotated[int, Ge(1)]
"""A number of pixels or the like, 1 at least."""
Function = Callable[..., Any]
ABSENT = object()
NEAR = 0.8
"""From this likeness on a name is held for a slip of the pen."""
FOREIGN = ("torch", "builtins", "abc", "typing", "collections")


def _spelled(value: Any) -> str:
    """A value as code has it."""
    return "frozenset()" if value == frozenset() else repr(value)


class Declared(Generic[T]):
    """An optional attribute of a part: its name is that of the field, its type that of the field or of the default.

    otherwise: where the default depends on the part, the function of it; `default` is then what the page says of it.
    """

    def __init__(
        self, default: T, meaning: str, *, otherwise: Callable[[Any], T] | None = None, shown: str = ""
    ) -> None:
        self.default, self.meaning, self.otherwise = default, meaning, otherwise
        self.shown = shown or f"`{_spelled(default)}`"

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    @overload
    def __get__(self, contract: None, owner: type) -> Declared[T]: ...
    @overload
    def __get__(self, contract: Contract, owner: type) -> T: ...
    def __get__(self, contract: Contract | None, owner: type) -> Declared[T] | T:
        return self if contract is None else self.of(contract.part)

    def of(self, part: Any) -> T:
        """What the part declares; of a class whose objects alone know it, the default."""
        value = getattr(part, self.name, ABSENT)
        if value is ABSENT or (isinstance(part, type) and isinstance(value, property)):
            return self.default if self.otherwise is None else self.otherwise(part)
        return value  # pyright: ignore[reportReturnType]


class Interface(NamedTuple):
    """How the parts of a kind are used, in words for docs/contracts.md.

    made_with: what its host gives the constructor, besides the arguments of the recipe. forward, result: what it is
    called with, and what it gives. example: a part that keeps the contract, as code that runs.
    """

    made_with: str
    forward: str
    result: str
    example: str = ""


class Contract:
    """Base of the contracts: made with a part, or with its class or factory where that is all there is.

    The docstring of a contract says what a part of its kind is, `interface` how it is used; its fields are what a part
    may declare.
    """

    kind: ClassVar[str]
    interface: ClassVar[Interface]

    upgrade: Declared[Function | None] = Declared(
        None,
        "`upgrade(arguments, version)`, static or of the class: the arguments as an older version of its distribution "
        "wrote them, as they are today",
    )

    def __init__(self, part: Any) -> None:
        while isinstance(part, partial):
            part = part.func
        self.part = part

    @classmethod
    def declared(cls) -> dict[str, Declared[Any]]:
        """All that a part of this kind may declare, by name; what it shares with other kinds comes last."""
        attributes = {name: value for base in cls.__mro__ for name, value in vars(base).items()}
        return {name: value for name, value in attributes.items() if isinstance(value, Declared)}

    @classmethod
    @cache
    def value_types(cls) -> dict[str, Any]:
        """The types of the fields: those of their annotations, or of their defaults."""
        hints = get_type_hints(cls, include_extras=True)
        return {
            name: get_args(hints[name])[0] if name in hints else type(field.default)
            for name, field in cls.declared().items()
        }

    def lacks(self, *names: str) -> list[str]:
        """Those of the declared attributes that the part has not."""
        return [name for name in names if self.declared()[name].of(self.part) is None]

    def faults(self) -> list[str]:
        """What is wrong with the part's declarations: values of another type, names that are nearly a known one."""
        return [*self._wrong_types(), *self._slips()]

    def _wrong_types(self) -> Iterator[str]:
        for name, hint in self.value_types().items():
            value = getattr(self.part, name, ABSENT)
            if value is not ABSENT and not _fits(hint, value):
                yield f"`{name}` is {spelled_type(hint)}, not {_spelled(value)}"

    def _slips(self) -> Iterator[str]:
        types = self.value_types()
        for name, value in _own_attributes(self.part).items():
            near = None if name in types else suggest(name, [known for known in types if known[0] == name[0]], NEAR)
            if near and (isinstance(value, property) or _fits(types[near], value)):
                yield f"a {self.kind} declares no `{name}`; did you mean `{near}`?"


def _own_attributes(part: Any) -> dict[str, Any]:
    """What the part's classes and the object itself say, but for what they inherit from libraries or are made with."""
    classes = [c for c in type(part).__mro__ if c.__module__.split(".")[0] not in FOREIGN]
    parameters = {name for c in classes for name in inspect.signature(c.__init__).parameters}
    attributes = {name: value for c in reversed(classes) for name, value in vars(c).items()} | vars(part)
    return {name: value for name, value in attributes.items() if not name.startswith("_") and name not in parameters}


def _fits(hint: Any, value: Any) -> bool:
    """Whether a value is of a type: no list stands for a tuple, no text for a number."""
    try:  # pydantic takes a read-only dictionary for no mapping
        _adapter(hint).validate_python(dict(value) if isinstance(value, MappingProxyType) else value, strict=True)
    except ValidationError:
        return False
    return True


@cache
def _adapter(hint: Any) -> TypeAdapter[Any]:
    return TypeAdapter(hint, config=ConfigDict(arbitrary_types_allowed=True))


def spelled_type(hint: Any) -> str:
    """A type as code has it: `int >= 1`, `tuple[str, ...]`, `frozenset[str] | None`."""
    origin, arguments = get_origin(hint), get_args(hint)
    if hint is Function:
        return "a function"
    if origin is Annotated:
        return f"{spelled_type(arguments[0])} >= {hint.__metadata__[0].ge}"
    if origin is Literal:
        return " | ".join(map(repr, arguments))
    if origin in (Union, UnionType):
        return " | ".join(map(spelled_type, arguments))
    if hint in (None, NoneType, ...):
        return "..." if hint is ... else "None"
    return f"{hint.__name__}[{', '.join(map(spelled_type, arguments))}]" if arguments else hint.__name__
