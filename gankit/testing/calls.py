"""How a component that takes pictures or features is called, on which inputs, and what it must return."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from gankit.conditions import STYLE, takes_of, wants
from gankit.contracts import AttentionContract, DiscriminatorContract, GeneratorContract, NormContract
from gankit.kernels.normalize_torch import finish
from gankit.slots import Attended, Translated

CHANNELS = 16
"""The width of the features that a norm or an attention head is given."""
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

    def __init__(self, component: Any) -> None:
        self.component = component
        self.networks: dict[str, nn.Module] = {}
        """What it is given besides tensors, by argument."""

    @property
    def of(self) -> str:
        return f"of {self.label} " if self.label else ""

    @cached_property
    def wrapped(self) -> nn.Module:
        """Its own component, as a module of the tensors."""
        return self.wrap(self.component)

    @property
    def conditions(self) -> tuple[str, ...]:
        """What the component asks for beside its first argument."""
        return wants(self.component)

    def wrap(self, component: nn.Module) -> nn.Module:
        return Calling(component, "forward", self.conditions, {}) if self.conditions else component

    def condition(self, name: str, batch: int, size: Size) -> Tensor:
        """A sample of a condition."""
        if (kind := takes_of(self.component).get(name)) is not None:
            return kind.draw(batch, size)
        raise AssertionError(f"it asks for `{name}`, and its `takes` does not say what that is, as by Label(5)")

    def with_conditions(self, x: Tensor, size: Size) -> tuple[Tensor, ...]:
        return (x, *(self.condition(name, len(x), size) for name in self.conditions))

    def named(self, inputs: tuple[Tensor, ...]) -> dict[str, Tensor]:
        """Of the inputs, the conditions by name."""
        return dict(zip(self.conditions, inputs[1:], strict=True))

    def size(self) -> Size:
        return 16, 16

    def odd_sizes(self) -> list[Size]:
        return [(9, 13), (5, 2)]

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        raise NotImplementedError

    def name_of(self, number: int) -> str:
        """What an input, counted from 0, is called in reasons."""
        return f"input {number + 1}"

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        """Raise AssertionError unless `output` is what this kind returns."""
        raise NotImplementedError

    def compare(self, inputs: tuple[Tensor, ...]) -> None:
        """Raise AssertionError unless other calls relate to this one as it promises, NotApplicable if it promises
        nothing."""
        raise NotApplicable("it promises nothing that two calls would show")


class NormCall(Call):
    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return self.with_conditions(torch.randn(batch, CHANNELS, *size), size)

    def condition(self, name: str, batch: int, size: Size) -> Tensor:
        return torch.randn(batch, CHANNELS) if name in STYLE else super().condition(name, batch, size)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        same = isinstance(output, Tensor) and output.shape == inputs[0].shape
        require(same, f"a norm returns its input's shape {shape(inputs[0])}, this one {shape(output)}")

    @torch.no_grad()
    def compare(self, inputs: tuple[Tensor, ...]) -> None:
        """What the class attributes `fuses` and `cancels_bias` say, which subclasses inherit."""
        if not NormContract(self.component).fuses and not NormContract(self.component).cancels_bias:
            return super().compare(inputs)
        x, conditions = inputs[0], self.named(inputs)
        norm, plain = self.component, self.component(x, **conditions)
        if NormContract(norm).fuses:
            residual = torch.randn_like(x)
            fused, expected = norm(x, **conditions, slope=0.2, residual=residual), finish(plain, 0.2, residual)
            require(
                _near(fused, expected), "it states `fuses`, but slope and residual do not give act(norm + residual)"
            )
        if NormContract(norm).cancels_bias:
            shifted = norm(x + torch.randn(CHANNELS, 1, 1), **conditions)
            require(_near(shifted, plain), "it states `cancels_bias`, but a bias in front of it changes its result")


def _near(one: Tensor, other: Tensor) -> bool:
    return torch.allclose(one, other, rtol=1e-2, atol=1e-2)


class AttentionCall(Call):
    def odd_sizes(self) -> list[Size]:
        least = AttentionContract(self.component).min_size
        return [(max(9, least), max(13, least)), (max(5, least), max(2, least))]

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return self.with_conditions(torch.randn(batch, CHANNELS, *size), size)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        require(isinstance(output, Attended), f"an attention head returns Attended, this one a {type(output).__name__}")
        x, head = inputs[0], AttentionContract(self.component)
        require(output.features.shape == x.shape, f"features are {shape(output.features)}, the input {shape(x)}")
        for field, declares, value in (("map", head.has_map, output.map), ("logits", head.has_logits, output.logits)):
            content = "given" if value is not None else "None"
            require((value is not None) == declares, f"has_{field} is {declares}, but {field} is {content}")
        if output.map is not None:
            require_map(output.map, x, exact=True)
        require(output.logits is None or len(output.logits) == len(x), f"logits are {shape(output.logits)}")


class GeneratorCall(Call):
    half_inputs = False

    def size(self) -> Size:
        return self.fitting(32), self.fitting(32)

    def odd_sizes(self) -> list[Size]:
        if only := self.fixed:
            raise NotApplicable(f"it {'makes' if takes_noise(self.component) else 'takes'} only {only} x {only}")
        return [(self.fitting(33), self.fitting(45)), (self.fitting(1), self.fitting(1))]

    @property
    def fixed(self) -> int | None:
        """The only side that it takes, of a generator that states a `fixed_size`."""
        return GeneratorContract(self.component).fixed_size

    def fitting(self, wanted: int) -> int:
        """The least size of at least `wanted` and `min_size` that is a multiple of `size_multiple`."""
        if self.fixed:
            return self.fixed
        sizes = GeneratorContract(self.component)
        return -(-max(wanted, sizes.min_size) // sizes.size_multiple) * sizes.size_multiple

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        if takes_noise(self.component):
            return self.with_conditions(torch.randn(batch, 3, 1, 1), size)
        return self.with_conditions(picture(batch, size), size)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        x = inputs[0]
        if takes_noise(self.component):
            x = x.expand(-1, -1, *self.size())
        contract = GeneratorContract(self.component)
        offers = contract.offers
        image = output.image if isinstance(output, Translated) else output
        require(isinstance(image, Tensor), f"a generator returns a picture or Translated, this one {shape(image)}")
        factor = contract.factor
        wanted = (*x.shape[:2], *(factor * side for side in x.shape[2:]))
        require(image.shape == wanted, f"the picture is {shape(image)}, the input {shape(x)}")
        free = self.component.training and contract.overshoots
        require(free or bool(image.abs().max() <= 1), f"the picture leaves [-1, 1]: {image.abs().max():.3g}")
        fields = ("attention", "logits")
        filled = {name for name in fields if getattr(output, name, None) is not None}
        require(filled == offers, f"offers is {sorted(offers)}, but the output has {sorted(filled)}")
        if isinstance(output, Translated) and output.attention is not None:
            require_map(output.attention, x, exact=False)
        if contract.features is not None:
            names = contract.feature_names
            taps = contract.features(x, names, **self.named(inputs))
            require(len(names) == len(taps), f"features(x, {names}) returns {len(taps)} tensors")
            require(all(len(tap) == len(x) for tap in taps), "a feature tap loses the batch")


class DiscriminatorCall(Call):
    half_inputs = False

    def size(self) -> Size:
        return self.fitting(32), self.fitting(32)

    def odd_sizes(self) -> list[Size]:
        if only := DiscriminatorContract(self.component).fixed_size:
            raise NotApplicable(f"it takes only {only} x {only}")
        return [(self.fitting(33), self.fitting(1) + 14), (self.fitting(1), self.fitting(1))]

    def fitting(self, wanted: int) -> int:
        sizes = DiscriminatorContract(self.component)
        return sizes.fixed_size or max(wanted, sizes.min_size)

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return self.with_conditions(picture(batch, size), size)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        heads = output if isinstance(output, tuple) else (output,)
        require(len(heads) > 0, "a discriminator returns logits, this one an empty tuple")
        for logits in heads:
            fits = isinstance(logits, Tensor) and len(logits) == len(inputs[0])
            fits = fits and (logits.ndim == 2 or (logits.ndim == 4 and logits.shape[1] == 1))
            require(fits, f"logits are (N, 1, h, w) or (N, k), this head's are {shape(logits)}")
        contract, x = DiscriminatorContract(self.component), inputs[0]
        if contract.heatmaps is not None:
            maps = contract.heatmaps(x, **self.named(inputs))
            fits = maps.ndim == 4 and len(maps) == len(x) and maps.shape[2:] == x.shape[2:]
            require(fits, f"heatmaps are (N, K, H, W), as large as the pictures, these {shape(maps)}")
            require(bool((maps >= 0).all() and (maps <= 1).all()), "the heatmaps leave [0, 1]")


class BackboneCall(Call):
    """The features of two layers, as a mapping."""

    half_inputs = False

    @property
    def taps(self) -> tuple[str, ...]:
        return taps_of(self.component)

    def wrap(self, component: nn.Module) -> nn.Module:
        return Tapped(component, self.taps)

    def size(self) -> Size:
        return 80, 80

    def odd_sizes(self) -> list[Size]:
        return [(81, 93)]

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        return (picture(batch, size),)

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        require(isinstance(output, dict) and tuple(output) == self.taps, f"a backbone returns the features {self.taps}")
        for name, features in output.items():
            fits = features.ndim == 4 and len(features) == len(inputs[0])
            require(fits, f"features are (N, C, h, w), those of {name} {shape(features)}")
        learning = [name for name, p in self.component.named_parameters() if p.requires_grad]
        require(not learning, f"a backbone is frozen, but {', '.join(learning[:1])} learns")
        require(not any(m.training for m in self.component.modules()), "a backbone stays in evaluation mode")


def taps_of(backbone: Any) -> tuple[str, ...]:
    """The names of two features that a backbone is asked for: the second and the third that it has."""
    names = tuple(backbone.layer_names)
    require(len(names) > 0, "a backbone lists the features that it can give in `layer_names`, which is empty")
    return names[1:3] or names


class Tapped(nn.Module):
    def __init__(self, backbone: nn.Module, layers: tuple[str, ...]) -> None:
        super().__init__()
        self.backbone, self.layers = backbone, layers

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return dict(self.backbone(x, self.layers))


class MethodCall(Call):
    """`translate(inputs, direction)`, which takes every size; of the inputs, those of its own that the kit knows."""

    half_inputs = False

    def __init__(self, component: nn.Module, direction: str) -> None:
        super().__init__(component)
        self.direction = self.label = direction

    def wrap(self, component: nn.Module) -> nn.Module:
        return Translating(component, self.direction)

    def size(self) -> Size:
        # Not the smallest: norms over the few pixels that it leaves at the bottleneck amplify every rounding.
        side = max(16, 2 * self.component.min_size)
        return side, side

    def odd_sizes(self) -> list[Size]:
        if self.component.draws:
            raise NotApplicable("its pictures have the size of its generator's")
        return [(17, 11)]

    def inputs(self, batch: int, size: Size) -> tuple[Tensor, ...]:
        if self.component.draws:
            return tuple(self.component.draw(batch).values())
        return tuple(kind.draw(batch, size) for kind in self.component.needs(self.direction).values())

    def judge(self, inputs: tuple[Tensor, ...], output: Any) -> None:
        require(
            isinstance(output, Tensor) and output.ndim == 4, f"translate returns pictures, this one {shape(output)}"
        )
        require(bool(output.abs().max() <= 1), f"the picture leaves [-1, 1]: {output.abs().max():.3g}")
        if not inputs:  # the method has its own picture
            return
        if self.component.draws:
            return require(len(output) == len(inputs[0]), f"{len(inputs[0])} draws become {len(output)} pictures")
        scale = self.component.scale
        wanted = (*inputs[0].shape[:2], *(scale * side for side in inputs[0].shape[2:]))
        require(
            output.shape == wanted,
            f"translate returns its input's shape {shape(inputs[0])}{f' times {scale}' if scale > 1 else ''}, "
            f"this one {shape(output)}",
        )
        attention = self.component.attend(named_inputs(self.component, inputs, self.direction), self.direction)
        if attention is not None:
            require_map(attention, inputs[0], exact=True)


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
        named = dict(zip(self.names, tensors[len(unnamed) :], strict=False))
        return call(*unnamed, **named, **dict(self.networks.items()), **self.keywords)


class Translating(nn.Module):
    """A method's `translate` with its inputs in their order."""

    def __init__(self, component: nn.Module, direction: str) -> None:
        super().__init__()
        self.component, self.direction = component, direction

    def forward(self, *tensors: Tensor) -> Any:
        translate: Callable[..., Any] = self.component.translate  # type: ignore[assignment]
        return translate(named_inputs(self.component, tensors, self.direction), self.direction)


def named_inputs(method: Any, tensors: tuple[Tensor, ...], direction: str) -> dict[str, Tensor]:
    names = method.inputs if method.draws else method.needs(direction)
    return dict(zip(names, tensors, strict=True))


def hole(batch: int, size: Size) -> Tensor:
    """(batch, 1, H, W), 1 in a rectangle that is a quarter of the picture."""
    height, width = size
    inside = torch.zeros(batch, 1, height, width)
    inside[..., height // 4 : -(-3 * height // 4), width // 4 : -(-3 * width // 4)] = 1
    return inside


def takes_noise(component: nn.Module) -> bool:
    """Whether a generator makes pictures, of its `fixed_size`, from noise (N, in_channels, 1, 1)."""
    return GeneratorContract(component).takes_noise


def picture(batch: int, size: Size) -> Tensor:
    return torch.rand(batch, 3, *size) * 2 - 1


def require_map(attention: Tensor, picture: Tensor, exact: bool) -> None:
    wanted = (len(picture), 1, *picture.shape[2:]) if exact else (len(picture), 1, *attention.shape[2:])
    require(tuple(attention.shape) == wanted, f"the attention map is {shape(attention)}, not {wanted}")
    low, high = attention.min().item(), attention.max().item()
    require(low >= 0 and high <= 1, f"the attention map leaves [0, 1]: {low:.3g} to {high:.3g}")
