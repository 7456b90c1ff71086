"""From a file to a verdict."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import safe_open

from tests.golden.harness import FAMILIES, Case, Comparison, load_families
from tests.golden.metadata import Options
from tests.golden.rounding import settle
from tests.golden.tolerance import own_tolerance


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
    beside = {key: _value(value) for key, value in meta.items() if key not in ("family", "case", "info", "format")}
    info = Options({**beside, **json.loads(meta.get("info", "{}"))})
    return Case(meta.get("case", path.stem), meta.get("family", ""), info, tensors)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError:
        return text


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
        return judge(case)
    except Exception as error:
        return failed(case, f"{type(error).__name__}: {error}")


def judge(case: Case) -> Verdict:
    """The verdict on a case. Raises what its checker raises."""
    tolerance = own_tolerance(case.info)

    def check(case: Case) -> list[Comparison]:
        torch.manual_seed(0)
        return [tolerance(comparison) for comparison in FAMILIES[case.family](case)]

    first = check(case)
    if not first:
        return failed(case, "the checker compared nothing")
    results, notes = settle(case, check, first)
    worst = max(results, key=lambda r: r.used)
    reason = f"{len(results)} tensors; nearest to its bound: {worst} ({worst.used:.1%} of the tolerance used)"
    reason = "; ".join([reason, *notes, *not_looked_at(case)])
    return Verdict(case.name, case.family, max(r.error for r in results), worst.used <= 1, reason)


def failed(case: Case, reason: str) -> Verdict:
    return Verdict(case.name, case.family, None, False, "; ".join([reason, *not_looked_at(case)]))


def not_looked_at(case: Case) -> list[str]:
    """What the file says of the reference's run that no checker knows: never passed over in silence."""
    unread = case.info.unread()
    return [f"metadata that the checker does not know: {', '.join(unread)}"] if unread else []
