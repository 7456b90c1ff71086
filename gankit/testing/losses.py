"""How a loss is called: its inputs are made by the names of its arguments."""

from __future__ import annotations

import inspect
from typing import Any

import torch
from torch import Tensor, nn

from gankit.conditions import takes_of
from gankit.contracts import LossContract
from gankit.features import FeatureLoss
from gankit.testing.calls import Call, Calling, Size, hole, picture, require, shape

ROLES = ("generator", "discriminator", "critic", "attention_net")
"""Arguments of losses that are networks."""


class LossCall(Call):
    """A loss's forward, or its side for the discriminator's turn; inputs are made by the argument's name."""

    def __init__(self, component: nn.Module, side: str, given: dict[str, Tensor]) -> None:
        super().__init__(component)
        self.label = "" if side == "forward" else f"{side}()"
        self.side, self.given = side, given
        function = getattr(component, side)
        parameters = inspect.signature(function).parameters.values()
        nets = [p.name for p in parameters if p.name.removeprefix("back_") in ROLES]
        self.networks = {name: sample_network(name) for name in nets}
        self.required = tuple(p.name for p in parameters if p.default is p.empty and p.name not in nets)
        self.optional = tuple(p.name for p in parameters if p.default is not p.empty and p.name not in nets)

    def wrap(self, component: nn.Module, optional: tuple[str, ...] = ()) -> nn.Module:
        return Calling(component, self.side, (*self.required, *optional), self.networks)

    def inputs(self, batch: int, size: Size, optional: tuple[str, ...] = ()) -> tuple[Tensor, ...]:
        return tuple(self.sample(name, batch, size) for name in (*self.required, *optional))

    def name_of(self, number: int) -> str:
        return f"`{self.required[number]}`"

    def size(self) -> Size:
        return self.fitting((32, 32) if isinstance(self.component, FeatureLoss) else super().size())

    def odd_sizes(self) -> list[Size]:
        sizes = [(33, 45), (37, 32)] if isinstance(self.component, FeatureLoss) else super().odd_sizes()
        if (least := LossContract(self.component).min_size) > 1:
            sizes = [(least + 1, least + 8), (least, least)]
        return [self.fitting(size) for size in sizes]

    def fitting(self, size: Size) -> Size:
        """Not below what it takes."""
        least = LossContract(self.component).min_size
        return max(size[0], least), max(size[1], least)

    def sample(self, name: str, batch: int, size: Size) -> Tensor:
        if name in self.given:
            return self.given[name][:batch].clone()
        plain = name.removeprefix("back_")
        if plain in takes_of(self.component):
            return self.condition(plain, batch, size)
        height, width = size
        if plain in ("logits", "identity_logits"):  # of an attention head: one per pooling
            return torch.randn(batch, 2)
        if plain.endswith("logits"):  # of a discriminator: one per patch
            return torch.randn(batch, 1, -(-height // 4), -(-width // 4))
        if plain.endswith("_features"):  # of one layer of a critic
            return torch.randn(batch, 8, -(-height // 4), -(-width // 4))
        if plain == "hole":
            return hole(batch, size)
        if plain.startswith(("attention", "mask")):
            return torch.rand(batch, 1, *size)
        if plain in ("source", "target", "output", "reconstruction", "identity", "composite", "style"):
            return picture(batch, size)
        raise AssertionError(f"the kit has no sample for the argument `{name}`: pass inputs={{{name!r}: tensor}}")

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        scalar = isinstance(output, Tensor) and output.ndim == 0
        require(scalar, f"a loss returns a scalar tensor, this one {shape(output)}")
        if self.optional:
            size = self.size()
            known = tuple(name for name in self.optional if name in self.given or is_sample(self, name))
            self.wrap(self.component, known)(*self.inputs(2, size, known))

    def compare(self, inputs: tuple[Tensor, ...]) -> None:
        """The logits of a critic of several heads come as a tuple."""
        if self.networks or not set(self.required) <= {"real_logits", "fake_logits"}:
            return super().compare(inputs)
        once, twice = self.wrap(self.component)(*inputs), self.wrap(self.component)(*((x, x) for x in inputs))
        torch.testing.assert_close(twice, 2 * once, msg="a tuple of two equal heads is not twice one head's loss")


def is_sample(call: LossCall, name: str) -> bool:
    try:
        call.sample(name, 1, (4, 4))
    except AssertionError:
        return False
    return True


def sample_network(role: str) -> nn.Module:
    """A small smooth network for a loss that asks for one by its role: picture to picture, or picture to logits."""
    torch.manual_seed(0)
    if role.endswith("generator"):
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1), nn.Tanh())
    head = (nn.Sigmoid(),) if role.startswith("attention") else ()
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1), *head)
