"""Golden verdicts: the same on every processor, and strict enough that a planted fault still fails."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.generators import lbam_layers
from tests.golden.families.trajectories import at, pair_of
from tests.golden.harness import FAMILIES, Case, Comparison, compare, compare_gradient, compare_output
from tests.golden.metadata import Options, Unsupported
from tests.golden.rounding import moved
from tests.golden.tolerance import own_drift
from tests.golden.verdict import Verdict, judge, read, run

CASES = sorted((Path(__file__).parent / "cases").glob("*.safetensors"))
REVERSE = next(path for path in CASES if path.stem == "lbam_reverse_layer_bn_relu")


@pytest.mark.parametrize("mkldnn", [True, False], ids=["onednn", "plain"])
@pytest.mark.parametrize("path", CASES, ids=lambda path: path.stem)
def test_the_cases_of_a_clone_pass(path: Path, mkldnn: bool) -> None:
    with torch.backends.mkldnn.flags(enabled=mkldnn):
        verdict = run(path)
    assert verdict.passed, verdict.reason
    assert "does not know" not in verdict.reason


# -- kinks -------------------------------------------------------------------------------------------------------------
def network(x: Tensor, weight: Tensor, bias: Tensor, *, term: float = 1.0, padding: str = "reflect") -> Tensor:
    """A convolution whose units a ReLU lets through, and a second term."""
    y = F.relu(F.conv2d(F.pad(x, (1, 1, 1, 1), mode=padding), weight, bias))
    return (y * y).mean() + term * y.sin().mean()


def gradient(case: Case, scale: float = 1.0, **fault: Any) -> Tensor:
    x = case["input.x"].clone().requires_grad_()
    return torch.autograd.grad(scale * network(x, case["state.weight"], case["state.bias"], **fault), x)[0]


@pytest.fixture
def kinked(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """Judges a gradient beside that of another rounding, which lets another unit through."""
    draws = torch.Generator().manual_seed(0)
    x, weight = (torch.randn(size, generator=draws) for size in ((1, 3, 8, 8), (4, 3, 3, 3)))
    before = F.conv2d(F.pad(x.double(), (1, 1, 1, 1), mode="reflect"), weight.double())
    # One unit of each channel is at its kink, but for the rounding to float32.
    bias = -before[0, :, 2, 5].float()
    case = Case("kinked", "kinked", Options({}), {"input.x": x, "state.weight": weight, "state.bias": bias})
    other = next(
        theirs
        for theirs in (gradient(moved(case, draw)) for draw in range(100, 200))
        if compare_gradient("x", gradient(case), theirs).used > 10
    )
    case = replace(case, tensors={**case.tensors, "grad.x": other})

    def judged(**fault: Any) -> Verdict:
        check = lambda case: iter([compare_gradient("x", gradient(case, **fault), case["grad.x"])])  # noqa: E731
        monkeypatch.setitem(FAMILIES, "kinked", check)
        return judge(case)

    return judged


def test_a_unit_at_its_kink_does_not_decide(kinked: Callable[..., Verdict]) -> None:
    verdict = kinked()
    assert verdict.passed and "judged by what rounding moves there; relative L2" in verdict.reason


@pytest.mark.parametrize(
    "fault", [{"scale": 1.01}, {"scale": 0.997}, {"term": 1.01}, {"term": -1.0}, {"padding": "replicate"}], ids=str
)
def test_a_fault_fails_beside_a_kink(kinked: Callable[..., Verdict], fault: dict[str, Any]) -> None:
    assert not kinked(**fault).passed


@pytest.mark.parametrize("mkldnn", [True, False], ids=["onednn", "plain"])
@pytest.mark.parametrize("factor", [1.01, 0.99, -1.0])
def test_a_wrong_factor_fails_in_a_real_case_with_kinks(factor: float, mkldnn: bool) -> None:
    case = read(REVERSE)
    off = {k: v * factor if k.startswith(("grad.dc", "grad.reverse")) else v for k, v in case.tensors.items()}
    with torch.backends.mkldnn.flags(enabled=mkldnn):
        assert not judge(replace(case, tensors=off)).passed


@pytest.mark.parametrize(
    ("place", "fault"),
    [
        ("MaskUpdate.forward", lambda self, m: F.relu(m).pow(0.808)),
        ("ReverseMask.forward", lambda self, m: lbam_layers.Masked(self.attention(self.conv(m)), self.conv(m).relu())),
        ("ReverseAttention.forward", lambda self, skip, x, map: torch.cat([skip, self.conv(x)], 1) * map),
        ("AsymmetricGaussian._bounded", lambda self, name: getattr(self, name) * (1.01 if name == "a" else 1)),
    ],
)
def test_a_faulty_part_fails(monkeypatch: pytest.MonkeyPatch, place: str, fault: Callable) -> None:
    owner, method = place.split(".")
    monkeypatch.setattr(getattr(lbam_layers, owner), method, fault)
    assert not run(REVERSE).passed


def test_what_rounding_moves_too_far_judges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    wild = {"input.x": torch.tensor([1.0, 2.0])}
    monkeypatch.setitem(
        FAMILIES, "wild", lambda case: iter([compare_output("y", (case["input.x"] * 1e8).sin(), torch.ones(2))])
    )
    verdict = judge(Case("wild", "wild", Options({}), wild))
    assert not verdict.passed and "y: rounding alone moves it by" in verdict.reason


# -- trainings ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def training(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """A training whose every step multiplies what has been rounded away; the reference's is in float32."""

    def steps(x: Tensor, growth: float, factor: float, since: int, count: int = 8) -> Tensor:
        values = [x]
        for step in range(count):
            values.append((growth * (factor if step >= since else 1) * values[-1]).sin())
        return torch.stack(values)

    def judged(growth: float, factor: float = 1.0, since: int = 0) -> Verdict:
        x = torch.tensor([0.3, 0.7])

        def check(case: Case) -> Iterator[Comparison]:
            for step, value in enumerate(steps(case["input.x"].double(), growth, factor, since)):
                yield at(case, step, compare(f"losses of step {step}", value, case["output.losses"][step], rtol=1e-4))

        monkeypatch.setitem(FAMILIES, "training", check)
        stored = steps(x * (1 + 1e-7), growth, 1.0, 0)
        return judge(Case("t", "training", Options({}), {"input.x": x, "output.losses": stored}))

    return judged


def test_a_training_is_judged_until_rounding_parts_it(training: Callable[..., Verdict]) -> None:
    verdict = training(growth=20.0)
    assert verdict.passed and "of 8: from there on rounding alone moves it by its bound" in verdict.reason
    whole = training(growth=1.5)
    assert whole.passed and "judged up to" not in whole.reason


def test_a_fault_in_a_training_fails(training: Callable[..., Verdict]) -> None:
    assert not training(growth=1.5, factor=1.01).passed
    assert not training(growth=20.0, factor=1.001).passed
    assert not training(growth=1.5, factor=1.01, since=6).passed


def test_a_training_that_rounding_parts_at_once_is_refused(training: Callable[..., Verdict]) -> None:
    verdict = training(growth=1e6)
    assert not verdict.passed and "parts this training from itself at step 1" in verdict.reason


def test_the_direction_swaps_the_domains() -> None:
    a, b = torch.zeros(1), torch.ones(1)
    tensors = {"input.step0.A": a, "input.step0.B": b, "input.A": a + 2, "input.B": b + 2}

    def pair(step: int, **opt: str) -> list[float]:
        pictures = pair_of(Case("c", "f", Options({"opt": opt}), tensors), step)
        return [pictures["a"].item(), pictures["b"].item()]

    assert pair(0) == pair(0, direction="AtoB") == [0, 1]
    assert pair(0, direction="BtoA") == [1, 0]
    assert pair(1, direction="BtoA") == [3, 2]
    with pytest.raises(Unsupported, match="direction sideways"):
        pair(0, direction="sideways")


# -- metadata ----------------------------------------------------------------------------------------------------------
@pytest.fixture
def off_by(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Verdict]:
    """Judges a gradient of which every element is off by a share of itself."""

    def judged(share: float, **info: Any) -> Verdict:
        monkeypatch.setitem(FAMILIES, "off", lambda case: iter([compare_gradient("grad.x", case["x"], case["y"])]))
        y = torch.linspace(1, 2, 5, dtype=torch.float64)
        return judge(Case("c", "off", Options(info), {"x": y * (1 + share), "y": y}))

    return judged


@pytest.mark.parametrize(
    "tolerance",
    [
        5.1e-3,
        {"rtol": 1.1e-2, "atol": 0},
        "rtol 1.1e-2, atol 1e-6",
        "5.1e-3 on gradients, for rounding",
        {"grad": 5.1e-3},
        {"grad.*": {"rtol": 1.1e-2}},
        {"outputs": 1e-6, "gradients": "rtol=1.1e-2"},
    ],
    ids=str,
)
def test_a_case_may_bring_its_tolerance(off_by: Callable[..., Verdict], tolerance: Any) -> None:
    assert not off_by(0.01).passed
    assert off_by(0.01, tolerance=tolerance).passed
    assert not off_by(0.02, tolerance=tolerance).passed


def test_a_stricter_tolerance_holds_too(off_by: Callable[..., Verdict]) -> None:
    assert off_by(5e-4).passed
    assert not off_by(5e-4, rtol=1e-4).passed
    assert off_by(5e-4, tolerance={"losses": 1e-6}).passed  # of what it does not have


def test_the_drift_that_a_case_measured_is_added() -> None:
    value = compare("losses of step 1", torch.zeros(1), torch.ones(1))
    picture, weight = replace(value, name="step 1 fake_B"), replace(value, kind="weight")
    numbers = {"losses_per_step": [1e-6, 1e-3], "output.step1.fake_B": {"max_abs": 2e-3, "ref_max": 1}, "final_w": 3e-3}
    for said, expected in ((5e-6, [5e-6, 0, 0]), (numbers, [1e-3, 2e-3, 3e-3]), (None, [0, 0, 0])):
        info = Options({"measured_drift": said} if said else {})
        assert [own_drift(info, comparison, 1) for comparison in (value, picture, weight)] == expected


@pytest.mark.parametrize(
    "tolerance", ["generous", "1e-3 or 1e-4", {"rtol": "small"}, {"grad": {"relative": 1}}, [], {}], ids=str
)
def test_a_tolerance_in_other_words_is_refused(off_by: Callable[..., Verdict], tolerance: Any) -> None:
    with pytest.raises(Unsupported, match="tolerance is not understood"):
        off_by(0.0, tolerance=tolerance)


def test_what_no_checker_knows_is_named(off_by: Callable[..., Verdict]) -> None:
    known = {"note": "a run", "opt": {"ngf": 4}}
    assert "does not know" not in off_by(0.0, **known).reason
    verdict = off_by(0.0, **known | {"opt": {"ngf": 4, "warmup": 3}, "mode": "train"})
    assert verdict.passed and "does not know: info.opt.warmup = 3, info.mode = 'train'" in verdict.reason
