"""A signature -> a pydantic model. Derived on demand, only for the components that a recipe names."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import math
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from annotated_types import Le, Lt
from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    GetCoreSchemaHandler,
    GetJsonSchemaHandler,
    PrivateAttr,
    Strict,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic.fields import FieldInfo
from pydantic_core import PydanticCustomError, core_schema

from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, ComponentError, GankitError, Path, RecipeError
from gankit.core.explain import Named, OfKind, explain, fault, shown
from gankit.core.registry import BUILTIN, LEADING_ARGUMENTS, NOT_FOR_USE, Entry, UnknownName
from gankit.core.versions import upgraded
from gankit.core.words import article, suggest

LARGEST, LARGEST_WHOLE = 1e15, 2**32
"""What no number of a recipe exceeds. Beyond, sums lose their meaning, or a step its end."""


def _number(value: Any) -> Any:
    if isinstance(value, bool | str) or (isinstance(value, int) and abs(value) > 2**63):
        raise PydanticCustomError("number", "must be a number")
    return value


def _within(most: float) -> BeforeValidator:
    """Refuse larger numbers."""

    def check(value: Any) -> Any:
        if isinstance(value, int | float) and most < abs(value) < math.inf:
            side, end = ("most", most) if value > 0 else ("least", -most)
            raise PydanticCustomError("gankit", f"must be at {side} {end:.10g}, not {shown(value)}")  # pyright: ignore
        return value

    return BeforeValidator(check)


LIKE: dict[Any, tuple[Any, ...]] = {
    int: (Strict(),),
    bool: (Strict(),),
    str: (Strict(),),
    float: (BeforeValidator(_number), AllowInfNan(False)),
}
"""How values of a type are read: no text is a number, no truth value is one, and numbers are finite."""
MOST = {int: _within(LARGEST_WHOLE), float: _within(LARGEST)}


def plain(hint: Any, *marks: Any) -> Any:
    """A type of `LIKE` with these bounds; where they give no largest value, with the largest of all."""
    ends = any(isinstance(mark, Le | Lt) for mark in marks) or hint not in MOST
    return Annotated[hint, *LIKE[hint], *marks, *(() if ends else (MOST[hint],))]


Number = Annotated[float, *LIKE[float], MOST[float]]
"""A finite number: no text, no truth value."""


ENVELOPE = {"loss": frozenset({"weight", "on", "from_step", "every", "turn", "spec"})}
"""Keys that stand beside a component's own in a recipe: no parameter of the kind may have such a name."""


class Strictly(Named):
    """A model that takes no unknown key and reports all of its faults in gankit's words."""

    model_config = ConfigDict(extra="forbid", frozen=True, protected_namespaces=())

    @model_validator(mode="wrap")
    @classmethod
    def _in_our_words(cls, data: Any, handler: Callable[[Any], Any]) -> Any:
        if isinstance(data, cls):
            return data
        data = cls._with_default_types(data)
        faults = [fault(loc, message) for loc, message in cls._rules(data)] if isinstance(data, Mapping) else []
        try:
            value = handler(data)
        except ValidationError as e:
            faults += explain(cls, e)
        else:
            if not faults:
                return value
        raise ValidationError.from_exception_data(cls.__name__, faults)

    @classmethod
    def _rules(cls, data: Mapping[str, Any]) -> list[tuple[Path, str]]:
        """Rules between fields: (where, what is wrong). On the raw data, so that one report has every mistake."""
        return []

    @classmethod
    def _with_default_types(cls, data: Any) -> Any:
        """`norm: {eps: 1e-4}` without a `type` is about the default norm."""
        if not isinstance(data, Mapping):
            return data
        filled = dict(data)
        for name, field in cls.model_fields.items():
            value = filled.get(name)
            if isinstance(value, Mapping) and "type" not in value and (default := _type_of_default(field)):
                filled[name] = {"type": default, **value}
        return filled


def _type_of_default(field: FieldInfo) -> str | None:
    """The component that stands in a field's slot when the recipe does not say: given as a Spec, or by its name."""
    if isinstance(field.default, Typed):
        return field.default.type
    by_name = isinstance(field.default, str) and any(isinstance(m, Slot) for m in field.metadata)
    return field.default if by_name else None


class Typed(Strictly):
    """A mapping whose `type` chooses the model of the rest."""

    type: str


class Spec(Typed):
    """A component with its arguments, as a recipe gives them. `type` is the qualified name."""

    entry: ClassVar[Entry]

    @classmethod
    def called(cls) -> str:
        return cls.entry.name


class Absent(Typed, extra="allow"):
    """A part that is not here, as a recipe gives it: of a kind that a trained method does without."""

    _reason: str = PrivateAttr("")

    @property
    def reason(self) -> str:
        return self._reason

    @classmethod
    def of(cls, value: Mapping[str, Any], error: ValidationError) -> Absent:
        absent = cls.model_construct(**value)
        absent._reason = "; ".join(e["msg"] for e in error.errors(include_url=False))
        return absent


@dataclass(frozen=True)
class Reading:
    """How a recipe is read.

    written: distribution -> its version that wrote the recipe, where it tells. for_use: what a trained method does
    without may be missing; it is kept as it stands.
    """

    written: Mapping[str, str] = dataclasses.field(default_factory=dict)
    for_use: bool = False


@dataclass(frozen=True)
class Slot(OfKind):
    """`Annotated[..., Slot("norm")]`: a recipe fills this parameter with a component of that kind.

    It takes a name, or a mapping with a `type`; the model of the mapping follows from the name. Kinds whose objects the
    host makes itself (norm, attention, generator, discriminator, backbone, optimizer) arrive as picklable factories;
    the others as built objects.
    """

    def model(self, name: str) -> type[Spec]:
        """Raises UnknownName or ComponentError."""
        return spec_of(catalogue().find(self.kind, name))

    def names(self) -> list[str]:
        """All that `model` takes: bare where that is enough."""
        return [entry.name if entry.source == BUILTIN else entry.qualified for entry in catalogue().entries(self.kind)]

    @property
    def definition(self) -> str:
        """What the JSON Schema calls it."""
        return self.kind

    def today(self, model: type[Spec], value: Mapping[str, Any], written: Mapping[str, str]) -> Mapping[str, Any]:
        """What an older version wrote, as it is written now. Raises ComponentError."""
        around = {"type", *ENVELOPE.get(self.kind, ())}
        own = {k: v for k, v in value.items() if k not in around}
        return {k: v for k, v in value.items() if k in around} | dict(upgraded(model.entry, own, written))

    def pick(self, value: object, reading: Reading | None = None) -> Typed:
        if isinstance(value, Typed):
            return value
        reading, value = reading or Reading(), self._mapping(value)
        try:
            return self._validated(value, reading)
        except ValidationError as e:
            if reading.for_use and self.kind in NOT_FOR_USE:
                return Absent.of(value, e)
            raise

    def _mapping(self, value: object) -> Mapping[str, Any]:
        """It has a `type`, a text."""
        value = {"type": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "shape", "must be the name of {kind}, or a mapping with `type`", {"kind": article(self.kind)}
            )
        name = value.get("type")
        if not isinstance(name, str):
            missing = (
                "`type` must be the name of {kind}" if "type" in value else "needs `type`, which is the name of {kind}"
            )
            near = suggest("type", [k for k in value if isinstance(k, str)])
            hint = f"; did you mean `type` where it says `{near}`?" if near and "type" not in value else ""
            raise PydanticCustomError("shape", missing + hint, {"kind": article(self.kind)})  # pyright: ignore[reportArgumentType]
        return value

    def _validated(self, value: Mapping[str, Any], reading: Reading) -> Typed:
        name = value["type"]
        try:
            model = self.model(name)
            value = self.today(model, value, reading.written)
        except (UnknownName, ComponentError) as e:
            raise ValidationError.from_exception_data(self.kind, [fault(("type",), str(e), name)]) from e
        return model.model_validate({**value, "type": model.entry.qualified}, context=reading)

    def __get_pydantic_core_schema__(self, source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(
            lambda v, info: v.model_dump(mode=info.mode) if isinstance(v, BaseModel) else v, info_arg=True
        )
        return core_schema.with_info_plain_validator_function(
            lambda value, info: self.pick(value, info.context), serialization=dump
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> dict[str, Any]:
        return {"x-slot": self.definition}  # gankit.core.jsonschema makes it a $ref

    def of_default(self, default: Any) -> Typed:
        """`norm=InstanceNorm` or `norm=partial(AdaLIN, eps=1e-4)` in a signature -> a Spec."""
        partial = isinstance(default, functools.partial)
        make, arguments = (default.func, default.keywords) if partial else (default, {})
        if partial and default.args:
            raise ComponentError(f"the default {default!r} has positional arguments; give them by name")
        entry = catalogue().entry_of(self.kind, make)
        if entry is None:
            raise ComponentError(f"the default {make!r} is registered as no {self.kind}")
        hints = hints_of(entry)
        described = {k: _default(entry, k, hints.get(k), v) for k, v in arguments.items()}
        return self.pick({"type": entry.qualified, **described})


class Factory(functools.partial):
    """A partial that remembers its place in the recipe, so that what fails when the host calls it is reported there."""

    path: Path = ()

    def __call__(self, /, *args: Any, **kwargs: Any) -> Any:
        try:
            return super().__call__(*args, **kwargs)
        except (ValueError, TypeError) as e:
            raise BuildError(self.path, str(e)) from e


def build_component(value: Any, path: Path = ()) -> Any:
    """A Spec becomes its object, or its Factory; innermost first. Raises BuildError with the place in the recipe."""
    if isinstance(value, list | tuple):
        return type(value)(build_component(v, (*path, i)) for i, v in enumerate(value))
    if isinstance(value, dict):
        return {k: build_component(v, (*path, k)) for k, v in value.items()}
    if isinstance(value, Absent):
        raise BuildError((*path, "type"), value.reason)
    if not isinstance(value, Spec):
        return value
    entry = value.entry
    arguments = {k: build_component(getattr(value, k), (*path, k)) for k in parameters_of(entry)}
    if entry.is_factory:
        factory = Factory(entry.make, **arguments)
        factory.path = path
        return factory
    try:
        return entry.make(**arguments)
    except (BuildError, RecipeError):
        raise
    except Exception as e:
        text = str(e) if isinstance(e, ValueError | GankitError) else f"{type(e).__name__}: {e}"
        raise BuildError(path, text or type(e).__name__) from e


@functools.cache
def parameters_of(entry: Entry) -> dict[str, inspect.Parameter]:
    """The parameters that a recipe fills: those of `__init__`, without self and what the host gives."""
    make = entry.make
    if inspect.isclass(make) and _without_init(make):
        return {}
    parameters = list(inspect.signature(make.__init__ if inspect.isclass(make) else make).parameters.values())
    own = parameters[inspect.isclass(make) + LEADING_ARGUMENTS[entry.kind] :]
    for p in own:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise _refuse(entry, p.name, "is variadic: a recipe cannot name the values of it")
    return {p.name: p for p in own}


@functools.cache
def spec_of(entry: Entry, base: type[Spec] = Spec) -> type[Spec]:
    """The pydantic model of a component. Raises ComponentError when a recipe could not describe it."""
    fields: dict[str, Any] = {}
    hints = hints_of(entry)
    for name, parameter in parameters_of(entry).items():
        if name not in hints:
            raise _refuse(entry, name, "has no type")
        if name.startswith("_") or hasattr(base, name) or name == "type" or name in ENVELOPE.get(entry.kind, ()):
            raise _refuse(entry, name, "has a name that gankit needs for itself")
        default = ... if parameter.default is parameter.empty else _default(entry, name, hints[name], parameter.default)
        fields[name] = (strict(hints[name]), default)
    try:
        model = create_model(entry.name, __base__=base, **fields)
    except Exception as e:
        raise ComponentError(f"{entry.kind} {entry.qualified} ({entry.where}): no schema follows from it: {e}") from e
    model.entry = entry
    return model


def _without_init(make: type) -> bool:
    """Whether the class has no `__init__` but that of nn.Module. (torch.compile replaces that function by its own.)"""
    owner = _with_init(make)
    return f"{owner.__module__}.{owner.__name__}" in ("builtins.object", "torch.nn.modules.module.Module")


def _with_init(make: type) -> type:
    """The class itself, or the base whose `__init__` it has."""
    return next(c for c in make.__mro__ if "__init__" in vars(c))


def hints_of(entry: Entry) -> dict[str, Any]:
    """The annotations of what a recipe fills, resolved: of a dataclass each field's where its class stands."""
    make = entry.make
    if inspect.isclass(make):
        owner = _with_init(make)
        make = owner if "__dataclass_fields__" in vars(owner) else make.__init__
    try:
        return get_type_hints(make, include_extras=True)
    except NameError as e:
        raise ComponentError(
            f"{entry.kind} {entry.qualified} ({entry.where}): {e}; annotations must be imported, "
            "not only under TYPE_CHECKING"
        ) from e


def _refuse(entry: Entry, name: str, why: str) -> ComponentError:
    return ComponentError(f"{entry.kind} {entry.qualified} ({entry.where}): parameter `{name}` {why}")


def _default(entry: Entry, name: str, hint: Any, default: Any) -> Any:
    slot = slot_in(hint)
    if slot is None or default is None:
        return default
    try:
        if isinstance(default, tuple | list):
            return tuple(slot.of_default(d) for d in default)
        if isinstance(default, Mapping):
            return {k: slot.of_default(d) for k, d in default.items()}
        if not isinstance(default, type | functools.partial | types.FunctionType):
            raise ComponentError(f"the default must be a class or a partial, not the object {default!r}")
        return slot.of_default(default)
    except ComponentError as e:
        raise _refuse(entry, name, f"cannot be described: {e}") from e
    except ValidationError as e:
        raise _refuse(entry, name, f"has a default that its own schema refuses: {e.errors()[0]['msg']}") from e


def slot_in(hint: Any) -> Slot | None:
    """The slot of an annotation: of `Norm`, `Norm | None`, `list[Loss]`, `dict[str, Loss]`."""
    if get_origin(hint) is Annotated:
        return next((m for m in hint.__metadata__ if isinstance(m, Slot)), None)
    return next((slot for a in get_args(hint) if (slot := slot_in(a))), None)


def strict(hint: Any) -> Any:
    """`True` is no number and `"6"` no integer; numbers are finite. A list stands for a tuple, and 1 for 1.0."""
    if hint in LIKE:
        return plain(hint)
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, *marks = args
        if inner in LIKE:
            return plain(inner, *marks)
        return hint if any(isinstance(m, Slot) for m in marks) else Annotated[strict(inner), *marks]
    if origin in (Union, types.UnionType):
        return Union[*map(strict, args)]
    if origin is Literal or not args or origin is Callable:
        return hint
    return origin[*(a if a is ... else strict(a) for a in args)]
