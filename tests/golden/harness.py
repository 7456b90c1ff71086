"""Golden cases: results of the reference code, stored as tensors, that gankit's components must meet.

A case is a `.safetensors` file whose metadata names its `family`. A checker is registered per family and yields
comparisons; a file passes when every comparison lies within its tolerance.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Literal

import torch
from torch import Tensor

from tests.golden.metadata import Options
from tests.golden.metadata import Unsupported as Unsupported


@dataclass(frozen=True)
class Case:
    name: str
    family: str
    info: Options
    tensors: dict[str, Tensor] = field(repr=False)

    def prefix(self, start: str) -> dict[str, Tensor]:
        """The tensors whose key starts with `start`, under the rest of the key."""
        return {k[len(start) :]: v for k, v in self.tensors.items() if k.startswith(start)}

    def state(self, net: str = "") -> dict[str, Tensor]:
        """The weights before the forward, of one network (`net`) or of the only one."""
        return self.prefix(f"state.{net}." if net else "state.")

    def __getitem__(self, key: str) -> Tensor:
        return self.tensors[key]

    def __contains__(self, key: str) -> bool:
        return key in self.tensors


Kind = Literal["value", "output", "gradient", "weight"]


@dataclass(frozen=True)
class Comparison:
    """A tensor of ours beside the reference's, both in double precision, and how far each element may be off.

    step: of a training, how many updates stand before this value; None for what knows no steps.
    """

    name: str
    ours: Tensor = field(repr=False)
    reference: Tensor = field(repr=False)
    bound: Tensor = field(repr=False)
    kind: Kind = "value"
    step: int | None = None

    @property
    def fits(self) -> bool:
        return self.ours.shape == self.reference.shape

    @property
    def difference(self) -> Tensor:
        """Element by element; infinite where either is not a number, and where the shapes differ."""
        if not self.fits:
            return torch.tensor(torch.inf)
        return (self.ours - self.reference).abs().nan_to_num(nan=torch.inf)

    @property
    def shares(self) -> Tensor:
        """The difference of each element as a share of its bound."""
        difference = self.difference
        bound = self.bound if self.fits else torch.ones(())
        return torch.where(difference == 0, 0.0, difference / bound).nan_to_num(nan=torch.inf)

    @property
    def error(self) -> float:
        return self.difference.max().item() if self.difference.numel() else 0.0

    @property
    def used(self) -> float:
        """The largest share; passes when <= 1."""
        return self.shares.max().item() if self.difference.numel() else 0.0

    def __str__(self) -> str:
        shapes = f": shape {tuple(self.ours.shape)} is not {tuple(self.reference.shape)}"
        return self.name + ("" if self.fits else shapes)


def compare(
    name: str, ours: Tensor, reference: Tensor, rtol: float = 0.0, atol: float | Tensor = 0.0, kind: Kind = "value"
) -> Comparison:
    """Element by element: |ours - reference| <= atol + rtol * |reference|. A shape mismatch or a NaN fails."""
    mine, theirs = (x.detach().to(torch.float64, copy=True) for x in (ours, reference))
    return Comparison(name, mine, theirs, atol + rtol * theirs.abs(), kind)


def compare_output(name: str, ours: Tensor, reference: Tensor) -> Comparison:
    """A network's output: rtol 1e-4, atol 1e-5 of the largest element."""
    return compare(name, ours, reference, rtol=1e-4, atol=1e-5 * reference.abs().max().item(), kind="output")


def compare_gradient(name: str, ours: Tensor, reference: Tensor, atol: float | None = None) -> Comparison:
    """A gradient: rtol 1e-3, with an absolute part scaled by the largest element of that tensor."""
    atol = 1e-4 * reference.abs().max().item() if atol is None else atol
    return compare(name, ours, reference, rtol=1e-3, atol=atol, kind="gradient")


Checker = Callable[[Case], Iterator[Comparison]]
FAMILIES: dict[str, Checker] = {}


def family(*names: str) -> Callable[[Checker], Checker]:
    """Register the checker of one or more families."""

    def add(checker: Checker) -> Checker:
        for name in names:
            FAMILIES[name] = checker
        return checker

    return add


def matches(family_name: str, prefix: str | None) -> bool:
    """`agit` takes `agit` and `agit.*`, not `agitator`; `agit.` and `agit.*` are understood too."""
    if not prefix:
        return True
    prefix = prefix.removesuffix("*").removesuffix(".")
    return family_name == prefix or family_name.startswith(prefix + ".")


def load_families() -> None:
    from tests.golden import families

    for module in pkgutil.iter_modules(families.__path__):
        importlib.import_module(f"{families.__name__}.{module.name}")
