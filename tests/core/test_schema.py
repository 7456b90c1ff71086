"""A signature -> a model: what is derived, and what is refused with the component's name."""

from __future__ import annotations

import copy
import pickle
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import pytest
from pydantic import ValidationError

from gankit.augment import DiffAugment
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, ComponentError, RecipeError
from gankit.core.listing import details
from gankit.core.recipe import Recipe
from gankit.core.register import register
from gankit.core.registry import Entry, Registry
from gankit.core.schema import Slot, build_component, parameters_of, spec_of
from gankit.core.sections import LossTerm
from gankit.slots import Augment
from tests.core.toys import AdaNorm, Net, Norm, Options, PlainNorm, recipe


def spec_for(make: Callable[..., Any], kind: str = "loss") -> Any:
    return spec_of(Entry(kind, "x", make, "", "local"))


def test_the_arguments_of_the_host_are_no_part_of_a_recipe(registry: Registry) -> None:
    assert list(parameters_of(registry.find("norm", "plain"))) == ["eps"]
    assert "in_channels" not in spec_of(registry.find("generator", "net")).model_fields


def test_a_class_without_init_takes_nothing() -> None:
    class Bare:
        pass

    assert list(spec_for(Bare).model_fields) == ["type"]
    assert build_component(spec_for(Bare)(type="local/x"))


def test_a_function_can_be_a_component() -> None:
    def make(*, power: int = 2) -> int:
        return power

    assert build_component(spec_for(make)(type="local/x", power=3)) == 3


def test_fields_of_a_dataclass_mean_what_they_mean_where_its_class_stands() -> None:
    @dataclass(kw_only=True)
    class Part(Options):
        """A part."""

        more: int = 1

    class OfItsOwn(Part):
        def __init__(self, less: int = 0) -> None:
            super().__init__(more=less)

    assert spec_for(Part)(type="local/x", power=3, more=2)
    with pytest.raises(ValidationError):
        spec_for(Part)(type="local/x", power=4)
    assert list(spec_for(OfItsOwn).model_fields) == ["type", "less"]
    assert details(Entry("loss", "x", Part, "", "local")).doc == "A part.\n\nIts options."


def test_factories_pickle_and_keep_their_place() -> None:
    method = Recipe.load(recipe(method={"type": "toy", "generator": {"blocks": 7}})).method
    factory = build_component(method.generator, ("method", "generator"))  # pyright: ignore
    for twin in (pickle.loads(pickle.dumps(factory)), copy.deepcopy(factory)):
        assert isinstance(twin, partial)
        assert twin.func is Net
        with pytest.raises(BuildError, match=r"method\.generator: seven"):
            twin(3, 3)


def refused(make: Callable[..., Any], message: str) -> None:
    with pytest.raises(ComponentError, match=message):
        spec_for(make)


def test_signatures_that_a_recipe_cannot_describe() -> None:
    def variadic(**options: int) -> None: ...
    def untyped(power=1) -> None: ...
    def taken(type: str = "a") -> None: ...
    def shadow(copy: int = 1) -> None: ...
    def hidden(_power: int = 1) -> None: ...
    def unknown(power: "Missing" = 1) -> None: ...  # noqa: F821, UP037  # pyright: ignore
    def unregistered(norm: Norm = dict) -> None: ...
    def instance(norm: Norm = PlainNorm(3)) -> None: ...
    def positional(norm: Norm = partial(AdaNorm, 3)) -> None: ...
    def misfit(norm: Norm = partial(AdaNorm, eps="x")) -> None: ...

    refused(variadic, r"loss local/x \(.*variadic\): parameter `options` is variadic")
    refused(untyped, "parameter `power` has no type")
    refused(taken, "parameter `type` has a name that gankit needs")
    refused(shadow, "parameter `copy` has a name that gankit needs")
    refused(hidden, "parameter `_power` has a name that gankit needs")
    refused(unknown, "'Missing' is not defined; annotations must be imported, not only under TYPE_CHECKING")
    refused(unregistered, "`norm` cannot be described: the default .* is registered as no norm")
    refused(instance, "the default must be a class or a partial, not the object")
    refused(positional, "has positional arguments; give them by name")
    refused(misfit, "`norm` has a default that its own schema refuses")


def test_an_augment_is_a_part_of_another_component() -> None:
    class Consistent:
        def __init__(self, augment: Augment | None = None) -> None:
            self.augment = augment

    model = spec_for(Consistent)
    chosen = {"type": "diffaugment", "transforms": ["translation"]}
    built = build_component(model(type="local/x", augment=chosen))
    assert isinstance(built.augment, DiffAugment) and built.augment.transforms == ("translation",)
    assert build_component(model(type="local/x")).augment is None


@pytest.mark.parametrize("name", sorted({*LossTerm.model_fields, "spec"} - {"type"}))
def test_a_loss_cannot_take_the_names_of_its_envelope(name: str) -> None:
    scope: dict[str, Any] = {}
    exec(f"def clash(*, {name}: float = 1.0): ...", scope)
    with pytest.raises(ComponentError, match=f"parameter `{name}` has a name that gankit needs"):
        register("loss", "clash")(scope["clash"])


def test_a_component_that_cannot_be_imported_is_a_mistake_of_the_recipe(registry: Registry) -> None:
    registry.add(Entry("loss", "gone", "no_such_module:Loss"))
    registry.add(Entry("loss", "absent", "json:Loss"))
    with pytest.raises(RecipeError) as caught:
        Recipe.load(recipe(losses={"a": "gone", "b": "absent"}))
    text = str(caught.value)
    assert "losses.a.type: loss gankit/gone cannot be imported from no_such_module:Loss (ModuleNotFoundError" in text
    assert "losses.b.type: loss gankit/absent cannot be imported from json:Loss (AttributeError" in text


def test_optional_slots_take_null_and_others_do_not() -> None:
    loaded = Recipe.load(
        recipe(method={"type": "toy", "generator": {"attention": None}, "back": {"attention": "head"}})
    )
    filled = loaded.filled()["method"]
    assert filled["generator"]["attention"] is None
    assert filled["back"]["attention"] == {"type": "local/head", "hidden": 4}


def test_slots_in_lists_and_mappings_are_built() -> None:
    terms = ["toyloss", {"type": "sum", "terms": [{"type": "toyloss", "power": 3}]}]
    loaded = Recipe.load(recipe(losses={"a": {"type": "sum", "terms": terms}}))
    built = build_component(loaded.losses["a"].spec)
    assert built.terms[1].terms[0].power == 3


def test_slot_is_frozen_and_its_kind_is_known() -> None:
    assert Slot("norm") == Slot("norm")
    with pytest.raises(AttributeError):
        Slot("norm").kind = "loss"  # pyright: ignore
    assert catalogue().find("norm", "plain").make is PlainNorm


def test_annotated_types_inside_containers_are_strict() -> None:
    def make(*, sizes: list[Annotated[int, "px"]], flags: dict[str, bool] | None = None) -> None: ...

    model = spec_for(make)
    assert model(type="x", sizes=[1]).sizes == [1]
    for wrong in ({"sizes": [True]}, {"sizes": ["1"]}, {"sizes": [1], "flags": {"a": 1}}):
        with pytest.raises(ValueError, match="must be"):
            model(type="x", **wrong)
