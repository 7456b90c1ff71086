"""The tolerance that a case brings along, in place of the rules'."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from fnmatch import fnmatchcase
from typing import Any

from torch import Tensor

from tests.golden.harness import Comparison, Kind
from tests.golden.metadata import Options, Unsupported

KEYS = ("tolerance", "tolerances")
KINDS: dict[str, Kind] = {
    "output": "output", "outputs": "output", "forward": "output",
    "grad": "gradient", "grads": "gradient", "gradient": "gradient", "gradients": "gradient",
    "loss": "value", "losses": "value", "value": "value", "values": "value",
    "final": "weight", "weight": "weight", "weights": "weight", "after": "weight",
}  # fmt: skip
NUMBER = r"(\d[\d.]*(?:e[+-]?\d+)?)"
Bound = Callable[[Tensor], Tensor]


def own_tolerance(info: Options) -> Callable[[Comparison], Comparison]:
    """What puts the case's own tolerance, where it has one, in place of a comparison's.

    `tolerance` is a number (relative, and of the tensor's largest element), `{"rtol": ..., "atol": ...}` or words with
    these or with one number ("rtol 1e-3, atol 1e-6", "1e-3 on losses"); or any of them by the kind of tensor (output,
    grad, losses, final) or by its name, `*` allowed. What is compared bit by bit stays so unless its own name is given.

    Raises:
        Unsupported: a tolerance of another form.
    """
    said = [info.get(key) for key in KEYS if key in info]
    if {"rtol", "atol"} & info.keys():
        said.append({key: info.get(key) for key in ("rtol", "atol") if key in info})
    if not said:
        return lambda comparison: comparison
    if len(said) > 1:
        raise Unsupported(f"two tolerances in one case: {said}")
    bounds = _by_name(said[0])

    def put(comparison: Comparison) -> Comparison:
        for name, bound in bounds.items():
            named = name not in ("*", *KINDS) and fnmatchcase(comparison.name, name)
            meant = name == "*" or KINDS.get(name) == comparison.kind
            if named or (meant and bool(comparison.bound.any())):
                return replace(comparison, bound=bound(comparison.reference))
        return comparison

    return put


def _by_name(said: Any) -> dict[str, Bound]:
    if isinstance(said, dict) and not said.keys() <= {"rtol", "atol"}:
        return {name: _bound(value) for name, value in said.items()}
    kinds = [word for word in re.findall("[a-z]+", said.lower()) if word in KINDS] if isinstance(said, str) else []
    return {name: _bound(said) for name in kinds or ["*"]}


def _bound(said: Any) -> Bound:
    if isinstance(said, str):
        said = _number(said)
    if isinstance(said, float | int):
        relative = float(said)
        return lambda reference: relative * (reference.abs() + (reference.abs().max() if reference.numel() else 0.0))
    numbers = isinstance(said, dict) and all(isinstance(value, float | int) for value in said.values())
    if not numbers or not said or not said.keys() <= {"rtol", "atol"}:
        raise Unsupported(f"the case's own tolerance is not understood: {said!r}")
    rtol, atol = (float(said.get(key, 0.0)) for key in ("rtol", "atol"))
    return lambda reference: atol + rtol * reference.abs()


def _number(words: str) -> Any:
    """What words say: `rtol` and `atol`, or the one number; the words themselves where neither."""
    named = re.findall(rf"([ra]tol)\W*{NUMBER}", words.lower())
    if named:
        return {what: float(value) for what, value in named}
    numbers = re.findall(rf"(?<![\w.]){NUMBER}(?![\w.])", words.lower())
    return float(numbers[0]) if len(numbers) == 1 else words


def own_drift(info: Options, comparison: Comparison, step: int) -> float:
    """How far the reference's own runs of a training were apart, by the case's `measured_drift`: one number for its
    losses, or numbers, numbers by step and `max_abs` by what was measured."""
    said = info.get("measured_drift", 0.0)
    what = "final" if comparison.kind == "weight" else "step" if comparison.name.startswith("step ") else "losses"
    if not isinstance(said, dict):
        said = {"losses": said}

    def size(value: Any) -> float:
        if isinstance(value, list):
            return size(value[step]) if step < len(value) else 0.0
        if isinstance(value, dict):
            return size(value.get("max_abs", 0.0))
        return float(value) if isinstance(value, float | int) else 0.0

    return max((size(v) for key, v in said.items() if key.removeprefix("output.").startswith(what)), default=0.0)
