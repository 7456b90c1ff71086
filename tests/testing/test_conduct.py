"""What a component may not do when it is called: each defect is found by the check of its own name, and by no other."""

from __future__ import annotations

import random
import re

import numpy as np
import pytest
import torch
from torch import Tensor

from gankit.testing import check_component
from tests.testing import planted


@pytest.mark.parametrize(("kind", "defect"), planted.PLANTED, ids=lambda part: part.replace(" ", "-"))
def test_a_planted_defect_fails_its_check_alone(kit, kind: str, defect: str):
    check, _, reason = getattr(planted, defect).__doc__.partition(": ")
    report = kit(kind.split()[0], planted.PLANTED[kind, defect], raise_on_failure=False)
    assert report.failed == (check,), report
    assert re.search(reason, report[check].reason), report[check].reason


@pytest.mark.parametrize("kind", planted.GOOD)
def test_without_a_defect_nothing_fails(kit, kind: str):
    kit(kind.split()[0], planted.plant(planted.GOOD[kind], planted.Nothing))


def test_what_the_failure_explains_is_not_run(kit):
    report = kit("generator", planted.PLANTED["generator", "InPlace"], raise_on_failure=False)
    told = [result.check for result in report.results if result.status == "not run"]
    assert {"gradients", "pickle", "compile", "chance", "device"} <= set(told)
    assert {report[check].reason for check in told} == {"`inputs_kept` failed"}
    assert report["docstring"].status == report["odd_sizes"].status == "passed"


class KeepsStatistics(planted.GoodNorm):
    """Counts in training, in a buffer. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.register_buffer("seen", torch.zeros(()))

    def touched(self, x: Tensor) -> Tensor:
        if self.training:
            self.seen = self.seen + 1  # another tensor each time
        return x * (1 + self.seen)


class DrawingLoss(planted.GoodLoss):
    """Draws in evaluation, and says so. (N, C, H, W) -> scalar. gankit's own."""

    draws = True

    def touched(self, x: Tensor) -> Tensor:
        return x * torch.rand((), device=x.device)


class SpreadLoss(planted.GoodLoss):
    """Wants the pictures of a batch to differ, and says so. (N, C, H, W) -> scalar. gankit's own."""

    mixes_batch = True

    def touched(self, x: Tensor) -> Tensor:
        return x - x.mean(0)


@pytest.mark.parametrize(("kind", "make"), [("norm", KeepsStatistics), ("loss", DrawingLoss), ("loss", SpreadLoss)])
def test_what_is_declared_is_no_defect(kit, kind: str, make: type):
    assert kit(kind, make, raise_on_failure=False).failed in ((), ("batch_one",))


def test_a_declared_draw_must_come_from_a_seeded_generator(kit):
    make = planted.plant(DrawingLoss, planted.UnseededChance)
    report = kit("loss", make, raise_on_failure=False)
    assert report.failed == ("chance",)


class Sixteenths(planted.GoodNorm):
    """Takes a table that is a plain attribute. (N, C, H, W) -> the same shape. gankit's own."""

    def __init__(self, channels: int) -> None:
        super().__init__(channels)
        self.table = torch.full((channels, 1, 1), 1 / 16)

    def touched(self, x: Tensor) -> Tensor:
        return x * self.table


class ThroughNumPy(planted.GoodLoss):
    """Computes outside of the device. (N, C, H, W) -> scalar. gankit's own."""

    def touched(self, x: Tensor) -> Tensor:
        return x * x.detach().cpu()


@pytest.mark.parametrize(
    ("kind", "make", "reason"),
    [("norm", Sixteenths, "keep it as a buffer"), ("loss", ThroughNumPy, "brings a tensor to another device")],
)
def test_other_ways_to_leave_the_device(kit, kind: str, make: type, reason: str):
    report = kit(kind, make, raise_on_failure=False)
    assert report.failed == ("device",) and reason in report["device"].reason


def test_the_callers_generators_stay():
    before = torch.get_rng_state(), random.getstate(), str(np.random.get_state())
    check_component("norm", "none")
    assert torch.equal(torch.get_rng_state(), before[0])
    assert (random.getstate(), str(np.random.get_state())) == before[1:]
