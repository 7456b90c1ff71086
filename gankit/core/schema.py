"""A signature -> a pydantic model. Derived on demand, only for the components that a recipe names."""

from __future__ import annotations

import functools
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Literal, Union, get_args, get_origin, get_type_hints

from pydantic import (
    AllowInfNan,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Strict,
    ValidationError,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError, core_schema

from gankit.core.errors import BuildError, ComponentError, GankitError, Path, RecipeError
from gankit.core.explain import explain, fault
from gankit.core.registry import BUILTIN, HOST_ARGUMENTS, Entry, UnknownName, components, suggest


def _number(value: Any) -> Any:
    if isinstance(value, bool | str) or (isinstance(value, int) and abs(value) > 2**63):
        raise PydanticCustomError("number", "must be a number")
    return value


Number = Annotated[float, BeforeValidator(_number), AllowInfNan(False)]
"""A finite number: no text, no truth value."""


ENVELOPE = {"loss": frozenset({"weight", "on", "from_step", "turn", "spec"})}
"""Keys that stand beside a component's own in a recipe: no parameter of the kind may have such a name."""


class Strictly(BaseModel):
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
            if isinstance(field.default, Typed) and isinstance(value, Mapping) and "type" not in value:
                filled[name] = {"type": field.default.type, **value}
        return filled


class Typed(Strictly):
    """A mapping whose `type` chooses the model of the rest."""

    type: str


class Spec(Typed):
    """A component with its arguments, as a recipe gives them. `type` is the qualified name."""

    entry: ClassVar[Entry]


@dataclass(frozen=True)
class Pick:
    """Marks a field that takes a name, or a mapping with a `type`; the model of the mapping follows from the name."""

    kind: str

    def model(self, name: str) -> type[Typed]:
        """Raises UnknownName or ComponentError."""
        raise NotImplementedError

    def names(self) -> list[str]:
        """All that `model` takes: bare where that is enough."""
        raise NotImplementedError

    @property
    def definition(self) -> str:
        """What the JSON Schema calls it."""
        return self.kind

    def canonical(self, model: type[Typed], name: str) -> str:
        return name

    def pick(self, value: Any) -> Typed:
        if isinstance(value, Typed):
            return value
        value = {"type": value} if isinstance(value, str) else value
        if not isinstance(value, Mapping):
            raise PydanticCustomError(
                "shape", "must be the name of a {kind}, or a mapping with `type`", {"kind": self.kind}
            )
        name = value.get("type")
        if not isinstance(name, str):
            missing = "`type` must be the name of a {kind}" if "type" in value else "needs `type`, the name of a {kind}"
            near = suggest("type", [k for k in value if isinstance(k, str)])
            hint = f"; did you mean `type` where it says `{near}`?" if near and "type" not in value else ""
            raise PydanticCustomError("shape", missing + hint, {"kind": self.kind})  # pyright: ignore[reportArgumentType]
        try:
            model = self.model(name)
        except (UnknownName, ComponentError) as e:
            raise ValidationError.from_exception_data(self.kind, [fault(("type",), str(e), name)]) from e
        return model.model_validate({**value, "type": self.canonical(model, name)})

    def __get_pydantic_core_schema__(self, source: Any, handler: Any) -> core_schema.CoreSchema:
        dump = core_schema.plain_serializer_function_ser_schema(
            lambda v, info: v.model_dump(mode=info.mode) if isinstance(v, BaseModel) else v, info_arg=True
        )
        return core_schema.no_info_plain_validator_function(self.pick, serialization=dump)

    def __get_pydantic_json_schema__(self, schema: Any, handler: Any) -> dict[str, Any]:
        return {"x-pick": self.definition}  # gankit.core.jsonschema makes it a $ref


@dataclass(frozen=True)
class Slot(Pick):
    """`Annotated[..., Slot("norm")]`: a recipe fills this parameter with a component of that kind.

    Kinds whose objects the host makes itself (norm, attention, generator, discriminator, backbone) arrive as picklable
    factories; the others as built objects.
    """

    def model(self, name: str) -> type[Typed]:
        return spec_of(components().find(self.kind, name))

    def names(self) -> list[str]:
        return [entry.name if entry.source == BUILTIN else entry.qualified for entry in components().entries(self.kind)]

    def canonical(self, model: type[Typed], name: str) -> str:
        return model.entry.qualified if issubclass(model, Spec) else name

    def of_default(self, default: Any) -> Typed:
        """`norm=InstanceNorm` or `norm=partial(AdaLIN, eps=1e-4)` in a signature -> a Spec."""
        partial = isinstance(default, functools.partial)
        make, arguments = (default.func, default.keywords) if partial else (default, {})
        if partial and default.args:
            raise ComponentError(f"the default {default!r} has positional arguments; give them by name")
        entry = components().entry_of(self.kind, make)
        if entry is None:
            raise ComponentError(f"the default {make!r} is registered as no {self.kind}")
        hints = hints_of(entry)
        given = {k: _default(entry, k, hints.get(k), v) for k, v in arguments.items()}
        return self.pick({"type": entry.qualified, **given})


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
    found = list(inspect.signature(make.__init__ if inspect.isclass(make) else make).parameters.values())
    own = found[inspect.isclass(make) + HOST_ARGUMENTS[entry.kind] :]
    for p in own:
        if p.kind in (p.VAR_POSITIONAL, p.VAR_KEYWORD):
            raise _refuse(entry, p.name, "is variadic: a recipe cannot say what it takes")
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
    owner = next(c for c in make.__mro__ if "__init__" in vars(c))
    return f"{owner.__module__}.{owner.__name__}" in ("builtins.object", "torch.nn.modules.module.Module")


def hints_of(entry: Entry) -> dict[str, Any]:
    """The annotations of what a recipe fills, resolved."""
    make = entry.make
    try:
        return get_type_hints(make.__init__ if inspect.isclass(make) else make, include_extras=True)
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
    if hint in (int, bool, str):
        return Annotated[hint, Strict()]
    if hint is float:
        return Number
    origin, args = get_origin(hint), get_args(hint)
    if origin is Annotated:
        inner, *marks = args
        return hint if any(isinstance(m, Pick) for m in marks) else Annotated[strict(inner), *marks]
    if origin in (Union, types.UnionType):
        return Union[*map(strict, args)]
    if origin is Literal or not args or origin is Callable:
        return hint
    return origin[*(a if a is ... else strict(a) for a in args)]
