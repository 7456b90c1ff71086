"""How a component of each kind is called, on which sample inputs, and what it must return."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from gankit.slots import Attended, Translated

CHANNELS = 8
"""The width of the features that a norm or an attention head is given."""
ROLES = ("generator", "discriminator", "attention_net")
"""Arguments of losses that are networks."""
Size = tuple[int, int]


class NotApplicable(Exception):
    """A check has no meaning for this component; the message says why."""


def require(holds: bool, otherwise: str) -> None:
    if not holds:
        raise AssertionError(otherwise)


def tensors_of(value: Any) -> list[Tensor]:
    """All tensors of an output, in order: of a tensor, or tuples, lists and dicts of them; None is nothing."""
    if isinstance(value, Tensor):
        return [value]
    values = value.values() if isinstance(value, dict) else value if isinstance(value, (tuple, list)) else ()
    return [tensor for each in values for tensor in tensors_of(each)]


def shape(tensor: Any) -> str:
    return str(tuple(tensor.shape)) if isinstance(tensor, Tensor) else f"a {type(tensor).__name__}"


class Call:
    """One way of calling a component. `wrap(component)` is a module whose forward takes the tensors of `inputs`."""

    label = ""
    """Which of several ways this is, for the reasons of failures."""
    half_inputs = True
    """Under bfloat16 autocast this component's inputs come from convolutions, hence in bfloat16."""

    def __init__(self, component: nn.Module) -> None:
        self.component = component
        self.networks: dict[str, nn.Module] = {}
        """What it is given besides tensors, by argument."""

    @property
    def of(self) -> str:
        return f"of {self.label} " if self.label else ""

    def wrap(self, component: nn.Module) -> nn.Module:
        return component

    def size(self) -> Size:
        return 16, 16

    def odd_sizes(self) -> list[Size]:
        return [(9, 13), (5, 2)]

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        """Raise AssertionError unless `output` is what this kind returns."""
        raise NotImplementedError


class NormCall(Call):
    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        style = (torch.randn(batch, CHANNELS), torch.randn(batch, CHANNELS))
        return (torch.randn(batch, CHANNELS, *size), *(style if getattr(self.component, "adaptive", False) else ()))

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        same = isinstance(output, Tensor) and output.shape == inputs[0].shape
        require(same, f"a norm returns its input's shape {shape(inputs[0])}, this one {shape(output)}")


class AttentionCall(Call):
    def odd_sizes(self) -> list[Size]:
        least = getattr(self.component, "min_size", 1)
        return [(max(9, least), max(13, least)), (max(5, least), max(2, least))]

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return (torch.randn(batch, CHANNELS, *size),)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        require(isinstance(output, Attended), f"an attention head returns Attended, this one a {type(output).__name__}")
        (x,) = inputs
        require(output.features.shape == x.shape, f"features are {shape(output.features)}, the input {shape(x)}")
        for field, declared in (("map", "has_map"), ("logits", "has_logits")):
            declares = getattr(self.component, declared, None)
            require(isinstance(declares, bool), f"the class states `{declared}: bool`")
            given = getattr(output, field) is not None
            require(given == declares, f"{declared} is {declares}, but {field} is {'given' if given else 'None'}")
        if output.map is not None:
            require_map(output.map, x, exact=True)
        require(output.logits is None or len(output.logits) == len(x), f"logits are {shape(output.logits)}")


class GeneratorCall(Call):
    half_inputs = False

    def size(self) -> Size:
        return self.fitting(32), self.fitting(32)

    def odd_sizes(self) -> list[Size]:
        if only := self.fixed:
            raise NotApplicable(f"it takes only {only} x {only}")
        return [(self.fitting(33), self.fitting(45)), (self.fitting(1), self.fitting(1))]

    @property
    def fixed(self) -> int | None:
        """The only side that it takes, of a generator that states a `fixed_size`."""
        return getattr(self.component, "fixed_size", None)

    def fitting(self, wanted: int) -> int:
        """The least size of at least `wanted` and `min_size` that is a multiple of `size_multiple`."""
        if self.fixed:
            return self.fixed
        multiple, least = (getattr(self.component, name, None) for name in ("size_multiple", "min_size"))
        require(isinstance(multiple, int) and multiple >= 1, f"the generator states `size_multiple: int`, not {multiple}")
        require(isinstance(least, int) and least >= 1, f"the generator states `min_size: int`, not {least}")
        return -(-max(wanted, least) // multiple) * multiple

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return (picture(batch, size),)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        (x,) = inputs
        offers = getattr(self.component, "offers", None)
        require(isinstance(offers, frozenset), f"the generator states `offers: frozenset[str]`, not {offers!r}")
        image = output.image if isinstance(output, Translated) else output
        require(isinstance(image, Tensor), f"a generator returns a picture or Translated, this one {shape(image)}")
        require(image.shape == x.shape, f"the picture is {shape(image)}, the input {shape(x)}")
        require(bool(image.abs().max() <= 1), f"the picture leaves [-1, 1]: {image.abs().max():.3g}")
        fields = ("attention", "logits")
        given = {name for name in fields if getattr(output, name, None) is not None}
        require(given == offers, f"offers is {sorted(offers)}, but the output has {sorted(given)}")
        if isinstance(output, Translated) and output.attention is not None:
            require_map(output.attention, x, exact=False)
        if "features" in dir(self.component):
            names = self.component.feature_names
            taps = self.component.features(x, names)
            require(len(names) == len(taps), f"features(x, {names}) returns {len(taps)} tensors")
            require(all(len(tap) == len(x) for tap in taps), "a feature tap loses the batch")


class DiscriminatorCall(Call):
    half_inputs = False

    def size(self) -> Size:
        return self.fitting(32), self.fitting(32)

    def odd_sizes(self) -> list[Size]:
        return [(self.fitting(33), self.fitting(1) + 14), (self.fitting(1), self.fitting(1))]

    def fitting(self, wanted: int) -> int:
        least = getattr(self.component, "min_size", None)
        require(isinstance(least, int) and least >= 1, f"the discriminator states `min_size: int`, not {least}")
        return max(wanted, least)

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return (picture(batch, size),)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        heads = output if isinstance(output, tuple) else (output,)
        require(len(heads) > 0, "a discriminator returns logits, this one an empty tuple")
        for logits in heads:
            fits = isinstance(logits, Tensor) and len(logits) == len(inputs[0])
            fits = fits and (logits.ndim == 2 or (logits.ndim == 4 and logits.shape[1] == 1))
            require(fits, f"logits are (N, 1, h, w) or (N, k), this head's are {shape(logits)}")


class MethodCall(Call):
    """`translate(x, direction)`, which takes every size."""

    half_inputs = False

    def __init__(self, component: nn.Module, direction: str) -> None:
        super().__init__(component)
        self.direction = self.label = direction

    def wrap(self, component: nn.Module) -> nn.Module:
        return Calling(component, "translate", (), {}, {"direction": self.direction})

    def size(self) -> Size:
        return 16, 16

    def odd_sizes(self) -> list[Size]:
        return [(17, 11)]

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return (picture(batch, size),)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        same = isinstance(output, Tensor) and output.shape == inputs[0].shape
        require(same, f"translate returns its input's shape {shape(inputs[0])}, this one {shape(output)}")
        require(bool(output.abs().max() <= 1), f"the picture leaves [-1, 1]: {output.abs().max():.3g}")
        attention = self.component.attend(inputs[0], self.direction)
        if attention is not None:
            require_map(attention, inputs[0], exact=True)


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

    def sample(self, name: str, batch: int, size: Size) -> Tensor:
        if name in self.given:
            return self.given[name][:batch].clone()
        plain = name.removeprefix("back_")
        height, width = size
        if plain in ("logits", "identity_logits"):  # of an attention head: one per pooling
            return torch.randn(batch, 2)
        if plain.endswith("logits"):  # of a discriminator: one per patch
            return torch.randn(batch, 1, -(-height // 4), -(-width // 4))
        if plain.startswith(("attention", "mask")):
            return torch.rand(batch, 1, *size)
        if plain in ("source", "target", "output", "reconstruction", "identity", "composite"):
            return picture(batch, size)
        raise AssertionError(f"the kit has no sample for the argument `{name}`: pass inputs={{{name!r}: tensor}}")

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        scalar = isinstance(output, Tensor) and output.ndim == 0
        require(scalar, f"a loss returns a scalar tensor, this one {shape(output)}")
        if self.optional:
            size = self.size()
            known = tuple(name for name in self.optional if name in self.given or is_sample(self, name))
            self.wrap(self.component, known)(*self.inputs(2, size, known))
        if not self.networks and set(self.required) <= {"real_logits", "fake_logits"}:
            pairs = [(logits, logits) for logits in inputs]
            twice = self.wrap(self.component)(*pairs)
            torch.testing.assert_close(twice, 2 * output, msg="a tuple of two equal heads is not twice one head's loss")


def is_sample(call: LossCall, name: str) -> bool:
    try:
        call.sample(name, 1, (4, 4))
    except AssertionError:
        return False
    return True


class Calling(nn.Module):
    """Calls one method of a component with named tensors, fixed networks and fixed keywords."""

    def __init__(
        self,
        component: nn.Module,
        method: str,
        names: tuple[str, ...],
        networks: dict[str, nn.Module],
        keywords: dict[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.component, self.networks = component, nn.ModuleDict(networks)
        self.method, self.names, self.keywords = method, names, keywords or {}

    def forward(self, *tensors: Tensor) -> Any:
        call: Callable[..., Any] = getattr(self.component, self.method)
        unnamed = tensors[: len(tensors) - len(self.names)]
        return call(*unnamed, **dict(zip(self.names, tensors, strict=False)), **dict(self.networks.items()), **self.keywords)


def picture(batch: int, size: Size) -> Tensor:
    return torch.rand(batch, 3, *size) * 2 - 1


def sample_network(role: str) -> nn.Module:
    """A small smooth network for a loss that asks for one by its role: picture to picture, or picture to logits."""
    torch.manual_seed(0)
    if role.endswith("generator"):
        return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 3, 3, padding=1), nn.Tanh())
    head = (nn.Sigmoid(),) if role.startswith("attention") else ()
    return nn.Sequential(nn.Conv2d(3, 4, 3, padding=1), nn.Tanh(), nn.Conv2d(4, 1, 3, padding=1), *head)


def require_map(attention: Tensor, picture: Tensor, exact: bool) -> None:
    wanted = (len(picture), 1, *picture.shape[2:]) if exact else (len(picture), 1, *attention.shape[2:])
    require(tuple(attention.shape) == wanted, f"the attention map is {shape(attention)}, not {wanted}")
    low, high = attention.min().item(), attention.max().item()
    require(low >= 0 and high <= 1, f"the attention map leaves [0, 1]: {low:.3g} to {high:.3g}")


SIMPLE: dict[str, type[Call]] = {
    "norm": NormCall,
    "attention": AttentionCall,
    "generator": GeneratorCall,
    "discriminator": DiscriminatorCall,
}
HOST_ARGUMENTS: dict[str, tuple[int, ...]] = {
    "norm": (CHANNELS,),
    "attention": (CHANNELS,),
    "generator": (3, 3),
    "discriminator": (3,),
}
"""What the host of a factory slot gives, by kind."""


def calls_of(kind: str, component: Any, given: dict[str, Tensor]) -> list[Call]:
    """The ways of calling `component`; none for the kinds that are not called on sample tensors."""
    if kind in SIMPLE:
        return [SIMPLE[kind](component)]
    if kind == "loss":
        sides = ["forward", *(["discriminator"] if hasattr(component, "discriminator") else [])]
        return [LossCall(component, side, given) for side in sides]
    if kind == "method":
        return [MethodCall(component, direction) for direction in component.directions]
    return []
