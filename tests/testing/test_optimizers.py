"""The kit's checks of optimizers and schedules find what is wrong with them."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest
import torch
from torch import Tensor

from gankit.core.registry import Registry
from gankit.slots import Position
from gankit.testing import check_component


class Momentum(torch.optim.Optimizer):
    """Gradient descent with a mean of past gradients, and well made."""

    def __init__(self, params: Iterable[Tensor], *, lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        for group in self.param_groups:
            for p in group["params"]:
                if p.grad is not None:
                    self.move(p, group["lr"])

    def move(self, p: Tensor, lr: float) -> None:
        mean = self.state[p].setdefault("mean", torch.zeros_like(p))
        assert p.grad is not None
        p.sub_(mean.lerp_(p.grad, 0.5), alpha=lr)


class Climbs(Momentum):
    """Goes up."""

    def move(self, p: Tensor, lr: float) -> None:
        super().move(p, -lr)


class Forgets(Momentum):
    """Keeps its means where no state dict finds them."""

    def __init__(self, params: Iterable[Tensor], *, lr: float = 0.01) -> None:
        super().__init__(params, lr=lr)
        self.means: dict[int, Tensor] = {}

    def move(self, p: Tensor, lr: float) -> None:
        mean = self.means.setdefault(id(p), torch.zeros_like(p))
        assert p.grad is not None
        p.sub_(mean.lerp_(p.grad, 0.5), alpha=lr)


class Unstorable(Momentum):
    """Has a set in its state."""

    def move(self, p: Tensor, lr: float) -> None:
        super().move(p, lr)
        self.state[p]["seen"] = {1, 2}


class Decays(Momentum):
    """Moves what has no gradient."""

    @torch.no_grad()
    def step(self, closure: Callable[[], Any] | None = None) -> None:  # type: ignore[override]
        super().step()
        for group in self.param_groups:
            for p in group["params"]:
                p.mul_(0.999)


class NoOptimizer:
    """Is none."""

    def __init__(self, params: Iterable[Tensor], *, lr: float = 0.01) -> None: ...


class Halves:
    """A part of the rate of an epoch before, and well made. base: that part."""

    def __init__(self, *, base: float = 0.5) -> None:
        self.base = base

    def __call__(self, position: Position) -> float:
        return self.base**position.epoch


class Negative:
    """Falls below 0."""

    def __call__(self, position: Position) -> float:
        return 1.0 - position.epoch


class Counts:
    """Counts how often it is asked."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, position: Position) -> float:
        self.calls += 1
        return 1 / self.calls


class HearsAndForgets:
    """Remembers the last value that it heard, but in no state."""

    watches = ("loss",)

    def __init__(self) -> None:
        self.last = 1.0
        self.before = 1.0

    def hear(self, values: dict[str, float]) -> None:
        self.before, self.last = self.last, values["loss"]

    def __call__(self, position: Position) -> float:
        return self.before


BAD = [
    ("optimizer", Climbs, "sample", "not down"),
    ("optimizer", Decays, "sample", "has no gradient"),
    ("optimizer", Forgets, "state_dict", "goes on to other bits"),
    ("optimizer", Unstorable, "state_dict", "is a set, which a checkpoint cannot hold"),
    ("schedule", Negative, "sample", "the factor at .* is -"),
    ("schedule", HearsAndForgets, "state_dict", "with the loaded state gives"),
]


@pytest.fixture
def kit(monkeypatch: pytest.MonkeyPatch):
    def check(kind: str, make: type, **options):
        row = (kind, "tested", f"{make.__module__}:{make.__qualname__}", "")
        monkeypatch.setattr("gankit.testing.subject.catalogue", lambda: Registry([row]))
        return check_component(kind, "tested", **options)

    return check


@pytest.mark.parametrize(("kind", "make"), [("optimizer", Momentum), ("schedule", Halves)])
def test_a_good_one_passes(kit, kind: str, make: type) -> None:
    report = kit(kind, make)
    assert {r.check for r in report.results if r.status == "passed"} == {
        *("schema", "defaults", "declares", "sample", "pickle", "deepcopy", "state_dict", "repr", "docstring")
    }


@pytest.mark.parametrize(("kind", "make", "check", "reason"), BAD, ids=lambda value: getattr(value, "__name__", None))
def test_a_bad_one_fails_its_check_alone(kit, kind: str, make: type, check: str, reason: str) -> None:
    report = kit(kind, make, raise_on_failure=False)
    assert report.failed == (check,)
    with pytest.raises(AssertionError, match=reason):
        report.raise_on_failure()


def test_a_schedule_that_counts_its_calls_is_found(kit) -> None:
    assert "asked again another" in kit("schedule", Counts, raise_on_failure=False)["sample"].reason


def test_what_makes_no_optimizer_is_named(kit) -> None:
    assert "makes a NoOptimizer" in kit("optimizer", NoOptimizer, raise_on_failure=False)["sample"].reason
