"""Norms with what follows them, forward and backward; three passes over x forward, five backward are the floor."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from benchmarks import reference as theirs
from benchmarks.parity import check, outputs
from gankit.layers import ConvNorm, Pad
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.group import GroupNorm
from gankit.norms.instance import InstanceNorm
from gankit.norms.layer import LayerNorm

Shape = tuple[int, int, int, int]
ON_GPU = torch.cuda.is_available()
CPU: list[Shape] = [(1, 256, 64, 64), (4, 256, 32, 32), (1, 64, 256, 256)]
GPU: list[Shape] = [
    (1, 256, 64, 64),
    (1, 128, 128, 128),
    (1, 64, 256, 256),
    (8, 256, 64, 64),
    (8, 64, 256, 256),
    (16, 256, 64, 64),
    (16, 64, 256, 256),
]
SMALLEST: Shape = (1, 32, 16, 16)
UNCACHED = 2**28
"""Bytes that the inputs of one timing have together on a GPU: several times its cache."""


def activated(norm: nn.Module) -> nn.Module:
    """The norm as our layers have it behind a convolution, with ReLU."""
    return ConvNorm(lambda bias: nn.Identity(), norm)


def padded(norm: nn.Module) -> nn.Module:
    return nn.Sequential(activated(norm), Pad(1, "reflect"))


NORMS: dict[str, tuple[Callable[[int], nn.Module], Callable[[int], nn.Module]]] = {
    "instance": (InstanceNorm, nn.InstanceNorm2d),
    "instance+relu": (lambda c: activated(InstanceNorm(c)), theirs.instance_relu),
    "instance+relu+pad": (
        lambda c: padded(InstanceNorm(c)),
        lambda c: nn.Sequential(*theirs.instance_relu(c).children(), nn.ReflectionPad2d(1)),
    ),
    "layer": (LayerNorm, partial(theirs.GroupNorm, 1)),
    "group": (partial(GroupNorm, groups=32), partial(theirs.GroupNorm, 32)),
    "lin": (LIN, theirs.LIN),
    "adalin": (AdaLIN, theirs.AdaLIN),
}
"""Ours, and the form that it is compared with."""
KINDS = {"fp32": (torch.float32, torch.contiguous_format)}
if ON_GPU:
    KINDS |= {"bf16": (torch.bfloat16, torch.contiguous_format), "bf16 nhwc": (torch.bfloat16, torch.channels_last)}


@dataclass
class Case:
    """Both forms of one norm, with the same weights."""

    name: str
    shape: Shape
    kind: str
    device: torch.device

    def __post_init__(self) -> None:
        torch.manual_seed(0)
        self.ours, self.theirs = (make(self.shape[1]).to(self.device) for make in NORMS[self.name])
        for mine, other in zip(self.ours.parameters(), self.theirs.parameters(), strict=True):
            nn.init.uniform_(mine, 0.2, 0.8)
            other.data.copy_(mine.data.view_as(other))
        self.dtype, self.layout = KINDS[self.kind]

    @property
    def size(self) -> int:
        """Bytes of x."""
        return math.prod(self.shape) * self.dtype.itemsize

    def inputs(self) -> list[Tensor]:
        x = torch.randn(self.shape, device=self.device).to(self.dtype, memory_format=self.layout).requires_grad_()
        style = [torch.rand(self.shape[:2], device=self.device).requires_grad_() for _ in range(2)]
        return [x, *(style if self.name == "adalin" else [])]

    def check(self, ours: Callable[..., Tensor]) -> None:
        """Ours against the reference form in float64."""
        inputs = self.inputs()
        exact = self.theirs.double()
        expected = outputs(exact, [t.detach().double().requires_grad_() for t in inputs], exact.parameters())
        check(outputs(ours, inputs, self.ours.parameters()), expected, self.dtype)
        self.theirs.float()

    def calls(self, form: Callable[..., Tensor], weights: Sequence[Tensor], backward: bool) -> list[Callable[[], Any]]:
        """One call a set of inputs, as many as the cache cannot hold."""
        sets = math.ceil(UNCACHED / self.size) if self.device.type == "cuda" else 1
        return [partial(both if backward else forward, form, self.inputs(), weights) for _ in range(sets)]


def forward(form: Callable[..., Tensor], inputs: list[Tensor], weights: Sequence[Tensor]) -> None:
    with torch.no_grad():
        form(*inputs)


def both(form: Callable[..., Tensor], inputs: list[Tensor], weights: Sequence[Tensor]) -> None:
    y = form(*inputs)
    torch.autograd.grad(y, [*inputs, *weights], y.detach())


def measure(case: Case, compare: Callable, backward: bool, form: Callable[..., Tensor] | None = None) -> None:
    form = case.ours if form is None else form
    compare(
        case.calls(form, list(case.ours.parameters()), backward),
        case.calls(case.theirs, list(case.theirs.parameters()), backward),
        check=lambda: case.check(form),
        nbytes=case.size * (8 if backward else 3),
        work=0,
        dtype=case.dtype,
        graph=True,
        megabytes=case.size / 1e6,
    )


@pytest.mark.parametrize("backward", [False, True], ids=["fwd", "fwd+bwd"])
@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("shape", GPU if ON_GPU else CPU, ids=lambda s: "x".join(map(str, s)))
@pytest.mark.parametrize("name", NORMS)
def test_norm(
    name: str, shape: Shape, kind: str, backward: bool, device: torch.device, smallest: bool, compare: Callable
) -> None:
    if smallest and shape != CPU[0]:
        pytest.skip("one size is enough")
    measure(Case(name, SMALLEST if smallest else shape, kind, device), compare, backward)


@pytest.mark.parametrize("shape", CPU, ids=lambda s: "x".join(map(str, s)))
def test_compiled_adalin(shape: Shape, device: torch.device, smallest: bool, compare: Callable) -> None:
    if smallest:
        pytest.skip("compiling takes as long for a small one")
    case = Case("adalin", shape, "fp32", device)
    measure(case, compare, True, torch.compile(case.ours, fullgraph=True, dynamic=False))
