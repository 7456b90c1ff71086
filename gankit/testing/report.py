"""What the conformance kit found: one result per check."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Status = Literal["passed", "failed", "not applicable", "not run"]


@dataclass(frozen=True)
class Result:
    """One check's verdict. `reason` says why, unless the check passed."""

    check: str
    status: Status
    reason: str = ""


@dataclass(frozen=True)
class Report:
    """The results of all checks of one component, in the order of `gankit.testing.CHECKS`.

    `report["export"]` is one result, `report.failed` the names of the checks that failed, `print(report)` the table.
    """

    kind: str
    name: str
    results: tuple[Result, ...]

    def __getitem__(self, check: str) -> Result:
        for result in self.results:
            if result.check == check:
                return result
        raise KeyError(f"no check is called {check!r}; there are: {', '.join(r.check for r in self.results)}")

    @property
    def failed(self) -> tuple[str, ...]:
        return tuple(result.check for result in self.results if result.status == "failed")

    @property
    def ok(self) -> bool:
        """True when no check failed. A check that did not run always comes with one that failed."""
        return not self.failed

    def raise_on_failure(self) -> None:
        """Raise AssertionError naming the component, each failed check and its cause."""
        if self.failed:
            causes = "\n".join(f"  {r.check}: {r.reason}" for r in self.results if r.status == "failed")
            raise AssertionError(f"{self.kind} {self.name} does not conform:\n{causes}\n\n{self}")

    def __str__(self) -> str:
        rows = [f"{self.kind} {self.name}"]
        for result in self.results:
            line = f"  {result.check:<14} {result.status:<15} {result.reason.splitlines()[0] if result.reason else ''}"
            rows.append(line.rstrip())
        return "\n".join(rows)
