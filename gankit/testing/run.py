"""`check_component`: all checks of one component, each with a verdict of its own."""

from __future__ import annotations

import warnings
from typing import Any

import torch
from torch import Tensor

from gankit.testing import checks
from gankit.testing.calls import NotApplicable
from gankit.testing.report import Report, Result
from gankit.testing.subject import Subject

CHECKS: tuple[str, ...] = tuple(checks.ALL)
"""The names of the checks, in the order of the report."""

CALLED = ("norm", "attention", "generator", "discriminator", "backbone", "loss", "method")
"""Kinds that take sample tensors."""
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
    with torch.random.fork_rng(devices=[]), warnings.catch_warnings():
        warnings.simplefilter("ignore")
        unbuilt = why_unbuilt(subject)
        report = Report(kind, name, tuple(run_check(subject, check, unbuilt) for check in CHECKS))
    if raise_on_failure:
        report.raise_on_failure()
    return report


def why_unbuilt(subject: Subject) -> str:
    """Why the small component cannot be made; empty when it can."""
    try:
        subject.built()
    except Exception as error:
        return cause(error)
    return ""


def run_check(subject: Subject, name: str, unbuilt: str) -> Result:
    reason = why_not(subject, name)
    if reason:
        return Result(name, "not applicable", reason)
    if unbuilt and name == "defaults":
        return Result(name, "failed", unbuilt)
    if unbuilt and checks.ALL[name].needs != "a name":
        return Result(name, "not run", "it does not build")
    try:
        checks.ALL[name].run(subject)
    except NotApplicable as why:
        return Result(name, "not applicable", str(why))
    except Exception as error:
        return Result(name, "failed", cause(error))
    return Result(name, "passed")


def why_not(subject: Subject, name: str) -> str:
    """Why a check has no meaning for this kind."""
    sampled = subject.kind in CALLED or (subject.kind, name) == ("dataset", "sample")
    if checks.ALL[name].needs == "inputs" and not sampled:
        return f"a {subject.kind} takes no sample tensors"
    return NOT_APPLICABLE.get((subject.kind, name), "")


def cause(error: Exception) -> str:
    return str(error) if isinstance(error, AssertionError) else f"{type(error).__name__}: {error}"
