"""Golden cases: results of the reference code, stored as tensors, that gankit's components must meet.

A case is a `.safetensors` file whose metadata names its `family`. A checker is registered per family and yields
comparisons; a file passes when every comparison lies within its tolerance.
"""

from __future__ import annotations

import importlib
import json
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

import torch
from safetensors import safe_open
from torch import Tensor


class Unsupported(Exception):
    """The case asks for something that the checker does not understand."""


@dataclass(frozen=True)
class Case:
    name: str
    family: str
    info: dict
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


@dataclass(frozen=True)
class Comparison:
    name: str
    error: float  # largest absolute difference
    used: float  # largest difference as a share of its tolerance; passes when <= 1


def compare(name: str, ours: Tensor, reference: Tensor, rtol: float = 0.0, atol: float = 0.0) -> Comparison:
    """Element by element: |ours - reference| <= atol + rtol * |reference|. A shape mismatch or a NaN fails."""
    ours, reference = ours.detach().double(), reference.detach().double()
    if ours.shape != reference.shape:
        return Comparison(
            f"{name}: shape {tuple(ours.shape)} is not {tuple(reference.shape)}", float("inf"), float("inf")
        )
    difference = (ours - reference).abs()
    bound = atol + rtol * reference.abs()
    used = torch.where(difference == 0, 0.0, difference / bound).nan_to_num(nan=float("inf"))
    if difference.numel() == 0:
        return Comparison(name, 0.0, 0.0)
    return Comparison(name, difference.max().nan_to_num(nan=float("inf")).item(), used.max().item())


def compare_output(name: str, ours: Tensor, reference: Tensor) -> Comparison:
    """A network's output: rtol 1e-4, atol 1e-5 of the largest element."""
    return compare(name, ours, reference, rtol=1e-4, atol=1e-5 * reference.abs().max().item())


def compare_gradient(name: str, ours: Tensor, reference: Tensor, atol: float | None = None) -> Comparison:
    """A gradient: rtol 1e-3, with an absolute part scaled by the largest element of that tensor."""
    atol = 1e-4 * reference.abs().max().item() if atol is None else atol
    return compare(name, ours, reference, rtol=1e-3, atol=atol)


Checker = Callable[[Case], Iterator[Comparison]]
FAMILIES: dict[str, Checker] = {}


def family(*names: str) -> Callable[[Checker], Checker]:
    """Register the checker of one or more families."""

    def add(checker: Checker) -> Checker:
        for name in names:
            FAMILIES[name] = checker
        return checker

    return add


@dataclass(frozen=True)
class Verdict:
    case: str
    family: str
    max_error: float | None
    passed: bool
    reason: str

    def as_dict(self) -> dict:
        return self.__dict__


def read(path: Path) -> Case:
    with safe_open(path, "pt") as file:  # type: ignore[no-untyped-call]
        meta = file.metadata() or {}
        tensors = {key: file.get_tensor(key) for key in file.keys()}  # noqa: SIM118 - not a dict
    return Case(meta.get("case", path.stem), meta.get("family", ""), json.loads(meta.get("info", "{}")), tensors)


def run(path: Path) -> Verdict:
    """Check one file; whatever goes wrong becomes a failed verdict with its reason."""
    load_families()
    try:
        case = read(path)
    except Exception as error:
        return Verdict(path.stem, "", None, False, f"not readable: {error}")
    if case.family not in FAMILIES:
        return Verdict(case.name, case.family, None, False, f"no checker for family '{case.family}'")
    try:
        torch.manual_seed(0)
        results = list(FAMILIES[case.family](case))
    except Exception as error:
        return Verdict(case.name, case.family, None, False, f"{type(error).__name__}: {error}")
    if not results:
        return Verdict(case.name, case.family, None, False, "the checker compared nothing")
    worst = max(results, key=lambda r: r.used)
    largest = max(r.error for r in results)
    reason = f"{len(results)} tensors; nearest to its bound: {worst.name} ({worst.used:.1%} of the tolerance used)"
    return Verdict(case.name, case.family, largest, worst.used <= 1, reason)


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
