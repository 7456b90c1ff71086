"""The component under test, built small."""

from __future__ import annotations

import copy
from collections.abc import Iterator
from functools import cached_property
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gankit.contracts import LossContract
from gankit.core.catalogue import catalogue
from gankit.core.registry import Entry
from gankit.core.schema import Spec, build_component, spec_of
from gankit.testing.augments import AugmentCall
from gankit.testing.calls import (
    CHANNELS,
    AttentionCall,
    BackboneCall,
    Call,
    DiscriminatorCall,
    GeneratorCall,
    MethodCall,
    NormCall,
    require,
    taps_of,
)
from gankit.testing.losses import LossCall
from gankit.testing.optimizers import sample_parameters

SIMPLE: dict[str, type[Call]] = {
    "norm": NormCall,
    "attention": AttentionCall,
    "generator": GeneratorCall,
    "discriminator": DiscriminatorCall,
    "backbone": BackboneCall,
    "augment": AugmentCall,
}
HOST_ARGUMENTS: dict[str, tuple[int, ...]] = {
    "norm": (CHANNELS,),
    "attention": (CHANNELS,),
    "generator": (3, 3),
    "discriminator": (3,),
}
"""What the host of a factory slot gives, by kind."""
SMALL: dict[str, tuple[Any, ...]] = {
    "channels": (8,),
    "blocks": (1,),
    "layers": (2, [1, 2]),
    "downs": (3,),
    "levels": (2,),
    "image_size": (32,),
    "hidden": ([16],),
    "down": ([4, 8, 8],),
    "inner": ([4],),
    "up": ([8, 4],),
    "reduction": (0.5,),
    "weights": ("random",),
    "net": ("alex",),
    "model": ("test_resnet",),
    "side": (80,),
    "features": ({"type": "alexnet", "weights": "random"},),
    "low": (0.0,),
    "high": (4095.0,),
    "drop_every": (2,),
    "probability": (1.0,),
    "watch": ("loss",),
}
"""Parameters that components often have, and their values in the kit (the first that the schema accepts): nets of a
few thousand weights."""


class Subject:
    """A registered component, how to build it small, and how to call it."""

    def __init__(self, kind: str, name: str, overrides: dict[str, Any] | None, inputs: dict[str, Tensor]) -> None:
        self.kind, self.name, self.overrides, self.given = kind, name, overrides, inputs
        self.entry = catalogue().find(kind, name)

    @cached_property
    def model(self) -> type[Spec]:
        """The schema."""
        return spec_of(self.entry)

    @cached_property
    def arguments(self) -> dict[str, Any]:
        """The overrides; without any, small values for what the schema has and accepts."""
        return small_arguments(self.entry) if self.overrides is None else self.overrides

    @property
    def missing(self) -> list[str]:
        """The parameters that a recipe must give."""
        return [name for name, field in self.model.model_fields.items() if field.is_required() and name != "type"]

    def parse(self, arguments: dict[str, Any]) -> Spec:
        return self.model.model_validate({"type": self.entry.qualified, **arguments})

    def make(self, arguments: dict[str, Any]) -> Any:
        """As a recipe and its host make it. Arguments that the schema has no room for raise."""
        component = build_component(self.parse(arguments))
        return component(*self.host_arguments(component)) if self.entry.is_factory else component

    def host_arguments(self, factory: Any) -> tuple[Any, ...]:
        """What the host of a factory gives: a backbone the names of two layers, an optimizer parameters."""
        if self.kind == "optimizer":
            return (sample_parameters(),)
        if self.kind != "backbone":
            return HOST_ARGUMENTS[self.kind]
        with torch.device("meta"):
            return (taps_of(factory(())),)

    def built(self, seed: int = 0) -> Any:
        """A small component, new each time. Its parameters are moved a little: one that starts at zero, as SAGAN's gate
        does, would hide what stands behind it."""
        if seed not in self._kept:
            self._kept[seed] = self._build(seed)
        return duplicate(self._kept[seed]) or self._build(seed)

    @cached_property
    def _kept(self) -> dict[int, Any]:
        return {}

    def _build(self, seed: int) -> Any:
        torch.manual_seed(seed)
        component = self.make(self.arguments)
        if isinstance(component, nn.Module):
            with torch.no_grad():
                for parameter in component.parameters():
                    parameter.add_(0.05 * torch.randn_like(parameter))
        return component

    def calls(self, component: Any) -> list[Call]:
        """The ways of calling it; none for the kinds that are not called on sample tensors."""
        if self.kind in SIMPLE:
            return [SIMPLE[self.kind](component)]
        if self.kind == "loss":
            sides = ["forward", *(["discriminator"] if LossContract(component).discriminator else [])]
            return [LossCall(component, side, self.given) for side in sides]
        if self.kind == "method":
            require(bool(component.directions), "a method states its `directions`, this one none")
            return [MethodCall(component, direction) for direction in component.directions]
        return []

    def each_call(self, training: bool) -> Iterator[Call]:
        """The ways of calling it, each on a component of its own."""
        for number in range(self._ways):
            yield self.calls(self.built().train(training))[number]

    @cached_property
    def _ways(self) -> int:
        return len(self.calls(self.built()))


def duplicate(component: Any) -> Any:
    """A copy, which is quicker made than another component; None where copying is the component's own business."""
    if not isinstance(component, nn.Module) or any("__deepcopy__" in dir(part) for part in component.modules()):
        return None
    try:
        return copy.deepcopy(component)
    except Exception:  # the check `deepcopy` tells
        return None


def small_arguments(entry: Entry) -> dict[str, Any]:
    """Small values for the parameters of an entry and, in its slots, of their defaults."""
    model, chosen = spec_of(entry), {}
    for name, field in model.model_fields.items():
        if (entry.kind, name) in (("loss", "layers"), ("backbone", "image_size")):
            continue  # names of features, not a depth; what networks of any size refuse
        if isinstance(field.default, Spec):
            chosen[name] = field.default.model_dump() | small_arguments(field.default.entry)
            continue
        fitting = [value for value in SMALL.get(name, ()) if accepts(model, entry, name, value)]
        if fitting:
            chosen[name] = fitting[0]
    return chosen


def accepts(model: type[Spec], entry: Entry, name: str, value: Any) -> bool:
    try:
        model.model_validate({"type": entry.qualified, name: value})
    except ValidationError as error:
        return not any(fault["loc"][:1] == (name,) for fault in error.errors())
    return True
