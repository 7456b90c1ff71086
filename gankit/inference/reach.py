"""How a stage of a network maps places: sizes of its results and norms, and how far a pixel's influence reaches."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from fractions import Fraction
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gankit.contracts import AttentionContract, GeneratorContract
from gankit.inference.whole import WholeNorms

LIMIT = 2048
"""Of the reach, in pixels: what sees further counts as seeing the whole picture."""
ALIGN = 16


@dataclass(frozen=True)
class Box:
    top: int
    bottom: int
    left: int
    right: int

    def grown(self, halo: int, height: int, width: int) -> Box:
        """Wider by a halo, inside a map of that size."""
        return Box(
            max(0, self.top - halo),
            min(height, self.bottom + halo),
            max(0, self.left - halo),
            min(width, self.right + halo),
        )


@dataclass(frozen=True)
class Place:
    """Where a map lies: a side of s at the stage's input is `scale * s + extra` here, the extra half at each end."""

    scale: Fraction
    extra: int

    def whole(self, size: Sequence[int]) -> tuple[int, int]:
        height, width = (int(self.scale * side) + self.extra for side in size)
        return height, width

    def of(self, core: Box, size: Sequence[int]) -> Box:
        """Where the core of a tile lies in the whole map."""
        return self.within(core, Box(0, size[0], 0, size[1]), size, self.whole(size))

    def within(self, core: Box, outer: Box, size: Sequence[int], shape: Sequence[int]) -> Box:
        """Where it lies in the map of the tile that reads `outer`; shape: of that map, (..., h, w)."""
        top, bottom = self._along(core.top, core.bottom, outer.top, size[0], shape[-2])
        left, right = self._along(core.left, core.right, outer.left, size[1], shape[-1])
        return Box(top, bottom, left, right)

    def _along(self, start: int, end: int, origin: int, side: int, length: int) -> tuple[int, int]:
        first = int(self.scale * (start - origin)) + self.extra // 2 if start > 0 else 0
        last = int(self.scale * (end - origin)) + self.extra // 2 if end < side else length
        return first, last


@dataclass(frozen=True)
class Geometry:
    """align: tiles begin at multiples of it. halo: what a tile reads around itself. norms: of the inputs of the norms,
    in the order of the calls. outputs: of the fields of the result; None for one that is no map."""

    align: int
    halo: int
    norms: list[Place]
    outputs: list[Place | None]


@dataclass(frozen=True)
class Beside:
    """What a network takes beside its picture. maps: names of those of the picture's size, which follow it among the
    inputs. fixed: the others, by name, the same for every tile."""

    maps: tuple[str, ...] = ()
    fixed: Mapping[str, Tensor] = field(default_factory=dict)

    def call(self, function: Callable[..., Any], x: Tensor, *others: Tensor) -> Any:
        """A function of the picture, or the first stage of a network, with all of it."""
        unnamed = others[: len(others) - len(self.maps)]
        named = dict(zip(self.maps, others[len(unnamed) :], strict=True))
        return function(x, *unnamed, **named, **self._as(x))

    def _as(self, x: Tensor) -> dict[str, Tensor]:
        """The fixed ones for that many pictures, of their type and device."""
        typed = {
            name: value.to(x) if value.is_floating_point() else value.to(x.device) for name, value in self.fixed.items()
        }
        return {name: value[: len(x)] for name, value in typed.items()}


ALONE = Beside()


def stages_of(network: nn.Module, beside: Beside = ALONE) -> list[Callable[..., Any]]:
    """Functions whose composition is the network's forward: what it offers as `stages()`, or that forward itself."""
    stages = GeneratorContract(network).stages
    first, *others = (stages() if stages else None) or [partial(type(network).forward, network)]
    if beside.maps or beside.fixed:
        first = partial(beside.call, first)
    return [first, *others]


@torch.inference_mode(False)
def measure(network: nn.Module, number: int, like: Sequence[Tensor], beside: Beside = ALONE) -> Geometry:
    """Measure stage `number` of a network by running it on small maps.

    like: tensors of the channels, type and device of its inputs. Raises LookupError, in words, when its first result
    depends at a place on more than LIMIT pixels around it; other results that do are no maps.
    """
    sizes = GeneratorContract(network)
    multiple, least = sizes.size_multiple, sizes.min_size
    align = math.lcm(ALIGN, multiple)
    least = -(-least // align) * align
    sides = (max(least, 4 * align), max(least, 4 * align) + align)
    (norms, fields), (larger_norms, larger_fields) = (_maps(network, number, like, side, beside) for side in sides)
    places = [_place(first, second, sides) for first, second in zip(norms, larger_norms, strict=True)]
    outputs = [_field(first, second, sides) for first, second in zip(fields, larger_fields, strict=True)]
    align = math.lcm(align, *(place.scale.denominator for place in (*places, *outputs) if place))
    reaches = [place and _reach(network, number, like, i, align, least, beside) for i, place in enumerate(outputs)]
    if reaches[0] is None:
        raise LookupError(
            f"{type(network).__name__} depends on the whole picture, or on more than {LIMIT} px around each place"
        )
    if any(AttentionContract(module).map_of_whole for module in network.modules()):
        reaches[1:] = [None] * len(reaches[1:])
    outputs = [place if reach is not None else None for place, reach in zip(outputs, reaches, strict=True)]
    halo = max(reach for reach in reaches if isinstance(reach, int))
    return Geometry(align, -(-halo // align) * align, places, outputs)


def _maps(
    network: nn.Module, number: int, like: Sequence[Tensor], side: int, beside: Beside
) -> tuple[list[torch.Size], tuple[Any, ...]]:
    """Shapes of what the norms get, and the fields of the result."""
    inputs = [x.new_zeros(1, x.shape[1], side, side) for x in like]
    with WholeNorms(network, None) as norms:
        fields = fields_of(stages_of(network, beside)[number](*inputs))
        return list(norms.calls), fields


def fields_of(value: Any) -> tuple[Any, ...]:
    return tuple(value) if isinstance(value, tuple) else (value,)


def _place(first: Sequence[int], second: Sequence[int], sides: Sequence[int]) -> Place:
    scale = Fraction(second[-1] - first[-1], sides[1] - sides[0])
    return Place(scale, int(first[-1] - scale * sides[0]))


def _field(first: Any, second: Any, sides: Sequence[int]) -> Place | None:
    if not isinstance(first, Tensor) or first.ndim != 4 or first.shape[-1] == second.shape[-1]:
        return None
    return _place(first.shape, second.shape, sides)


def _reach(
    network: nn.Module, number: int, like: Sequence[Tensor], field: int, align: int, least: int, beside: Beside
) -> int | None:
    """The largest distance, along one side, from a place of a result to a pixel that it depends on; None: beyond LIMIT.

    Found by the gradient in a strip, through a copy whose weights are all positive, so that nothing cancels and no unit
    is dead, and small, so that none is saturated; two strips, one for each side.
    """
    twin = copy.deepcopy(network).to("cpu", torch.float64)
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter.fill_(0.5 / parameter[0].numel() if parameter.ndim > 1 else 1 / 256)
    stage, farthest = stages_of(twin, beside)[number], 0
    for dim in (2, 3):
        side = max(8 * align, least)
        while (reach := _reach_along(stage, twin, like, field, align, side, least, dim)) + align >= side // 2:
            if side > 2 * LIMIT:
                return None
            side *= 2
        farthest = max(farthest, reach)
    return farthest


def _reach_along(
    stage: Callable[..., Any],
    twin: nn.Module,
    like: Sequence[Tensor],
    field: int,
    align: int,
    side: int,
    least: int,
    dim: int,
) -> int:
    """How far the middle `align` pixels of a strip see along its long side."""
    shape = [side, max(least, align)] if dim == 2 else [max(least, align), side]
    inputs = [torch.rand(1, x.shape[1], *shape, dtype=torch.float64).requires_grad_() for x in like]
    with torch.enable_grad(), WholeNorms(twin, None):
        result = fields_of(stage(*inputs))[field]
        start = side // 2 // align * align
        low, high = (position * result.shape[dim] // side for position in (start, start + align))
        middle = result.narrow(dim, low, max(1, high - low)).sum()
        gradients = torch.autograd.grad(middle, inputs, allow_unused=True)
    reach = 0
    for gradient in gradients:
        if gradient is not None:
            touched = gradient.abs().sum([d for d in range(4) if d != dim]).nonzero().flatten()
            reach = max(reach, start - int(touched.min()), int(touched.max()) - (start + align - 1))
    return reach
