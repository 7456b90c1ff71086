"""`check_component`: all checks of one component, each with a verdict of its own."""

from __future__ import annotations

import random
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from torch import Tensor

import gankit.testing.conduct  # noqa: F401  its checks join the others
from gankit.core.words import article
from gankit.testing.calls import NotApplicable
from gankit.testing.checks import ALL
from gankit.testing.report import Report, Result
from gankit.testing.subject import Subject

CHECKS: tuple[str, ...] = tuple(ALL)
"""The names of the checks, in the order of the report."""

CALLED = ("norm", "attention", "generator", "discriminator", "backbone", "loss", "method", "augment")
"""Kinds that take sample tensors."""
SAMPLED = {
    ("dataset", "sample"),
    ("codec", "sample"),
    ("metric", "sample"),
    *((kind, check) for kind in ("optimizer", "schedule", "callback") for check in ("sample", "state_dict")),
}
"""Checks with samples of their own, of kinds that take no tensors."""
NOT_APPLICABLE: dict[tuple[str, str], str] = {
    ("method", "gradients"): "translate is inference; `gankit build --check` runs a training step of each turn",
    ("method", "export"): "what is exported is a method's networks, which their own checks cover",
    ("method", "compile"): "what is compiled is a turn, not translate",
}


def check_component(
    kind: str,
    name: str,
    *,
    overrides: dict[str, Any] | None = None,
    inputs: dict[str, Tensor] | None = None,
    raise_on_failure: bool = True,
) -> Report:
    """Run the conformance kit on a registered component; return the report.

    kind, name: as a recipe says them, e.g. `"norm", "adalin"` or `"loss", "gankit-r3gan/relativistic"`.
    overrides: the component's arguments, as a recipe gives them, instead of the kit's small ones.
    inputs: sample tensors, batch first (two or more), for arguments of a loss that the kit does not know by name.
    Raises AssertionError, naming the component, each failed check and its cause, unless `raise_on_failure` is False;
    LookupError when nothing of that kind has this name. The caller's random state is left as it was.
    """
    subject = Subject(kind, name, overrides, inputs or {})
    with chance_kept(), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        report = Report(kind, name, examine(subject))
    if raise_on_failure:
        report.raise_on_failure()
    return report


@contextmanager
def chance_kept() -> Iterator[None]:
    """Leave the states of torch's, Python's and NumPy's generators as they were."""
    python, numpy = random.getstate(), np.random.get_state()
    with torch.random.fork_rng(devices=[]):
        yield
    random.setstate(python)
    np.random.set_state(numpy)


def examine(subject: Subject) -> tuple[Result, ...]:
    """The results of all checks. One whose cause is another's failure is not run: what is wrong is told once."""
    unbuilt = why_unbuilt(subject)
    results: dict[str, Result] = {}

    def result(name: str) -> Result:
        if name not in results:
            before = map(told_by, map(result, causes(name)))
            results[name] = run_check(subject, name, unbuilt, next(filter(None, before), ""))
        return results[name]

    def causes(name: str) -> Iterator[str]:
        if ALL[name].needs != "a name":
            yield from ("defaults",) if unbuilt else ()
            yield from ("declares",) if name != "declares" else ()
        yield from ALL[name].after

    return tuple(map(result, CHECKS))


def told_by(cause: Result) -> str:
    """Why a check that hangs on this result is not run; empty when it is."""
    return f"`{cause.check}` failed" if cause.status == "failed" else cause.reason if cause.status == "not run" else ""


def why_unbuilt(subject: Subject) -> str:
    """Why the small component cannot be made; empty when it can."""
    try:
        subject.built()
    except Exception as error:
        return cause(error)
    return ""


def run_check(subject: Subject, name: str, unbuilt: str, told: str) -> Result:
    if reason := why_not(subject, name):
        return Result(name, "not applicable", reason)
    if told:
        return Result(name, "not run", told)
    if unbuilt and name == "defaults":
        return Result(name, "failed", unbuilt)
    try:
        ALL[name].run(subject)
    except NotApplicable as why:
        return Result(name, "not applicable", str(why))
    except Exception as error:
        return Result(name, "failed", cause(error))
    return Result(name, "passed")


def why_not(subject: Subject, name: str) -> str:
    """Why a check has no meaning for this kind."""
    sampled = subject.kind in CALLED or (subject.kind, name) in SAMPLED
    if ALL[name].needs == "inputs" and not sampled:
        return f"{article(subject.kind)} takes no sample tensors"
    return NOT_APPLICABLE.get((subject.kind, name), "")


def cause(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
