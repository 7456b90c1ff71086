"""The component under test, built small."""

from __future__ import annotations

from functools import cached_property
from typing import Any

import torch
from pydantic import ValidationError
from torch import Tensor, nn

from gankit.core.registry import Entry, components
from gankit.core.schema import Spec, build_component, spec_of
from gankit.testing.calls import (
    CHANNELS,
    AttentionCall,
    BackboneCall,
    Call,
    DiscriminatorCall,
    GeneratorCall,
    MethodCall,
    NormCall,
)
from gankit.testing.losses import LossCall

SIMPLE: dict[str, type[Call]] = {
    "norm": NormCall,
    "attention": AttentionCall,
    "generator": GeneratorCall,
    "discriminator": DiscriminatorCall,
    "backbone": BackboneCall,
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
    "layers": (2, [3, 4]),
    "downs": (3,),
    "levels": (2,),
    "image_size": (32,),
    "hidden": ([16],),
    "reduction": (0.5,),
    "weights": ("random",),
    "net": ("squeeze",),
    "features": ({"type": "squeezenet", "weights": "random"},),
}
"""Parameters that components often have, and their values in the kit (the first that the schema accepts): nets of a
few thousand weights."""


class Subject:
    """A registered component, how to build it small, and how to call it."""

    def __init__(self, kind: str, name: str, overrides: dict[str, Any] | None, inputs: dict[str, Tensor]) -> None:
        self.kind, self.name, self.overrides, self.given = kind, name, overrides, inputs
        self.entry = components().find(kind, name)

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
        made = build_component(self.parse(arguments))
        return made(*self.host_arguments(made)) if self.entry.is_factory else made

    def host_arguments(self, factory: Any) -> tuple[Any, ...]:
        """What the host of a factory gives: a backbone the names of two layers."""
        if self.kind != "backbone":
            return HOST_ARGUMENTS[self.kind]
        with torch.device("meta"):
            names = factory(()).layer_names
        return (names[1:3],)

    def built(self, seed: int = 0) -> Any:
        """The small component. Its parameters are moved a little: one that starts at zero, as SAGAN's gate does,
        would hide what stands behind it."""
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
            sides = ["forward", *(["discriminator"] if hasattr(component, "discriminator") else [])]
            return [LossCall(component, side, self.given) for side in sides]
        if self.kind == "method":
            return [MethodCall(component, direction) for direction in component.directions]
        return []


def small_arguments(entry: Entry) -> dict[str, Any]:
    """Small values for the parameters of an entry and, in its slots, of their defaults."""
    model, chosen = spec_of(entry), {}
    for name, field in model.model_fields.items():
        if (entry.kind, name) == ("loss", "layers"):
            continue  # names of features, not a depth
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
