"""What the benchmarks measure with, and how their figures become tables. Nothing is timed here."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from benchmarks import measure, parity, peers, reference, steps, table
from gankit import precision
from gankit.layers import ResidualBlock
from gankit.norms.adalin import LIN, AdaLIN
from gankit.norms.instance import InstanceNorm


class Ticks:
    """A clock that each call moves on by its own amount."""

    def __init__(self) -> None:
        self.now = 0.0
        self.order: list[str] = []

    def call(self, name: str, takes: float) -> None:
        self.order.append(name)
        self.now += takes


def test_rounds_are_interleaved_and_their_ratios_are_paired() -> None:
    ticks = Ticks()
    calls = {"slow": lambda: ticks.call("slow", 6.0), "fast": lambda: ticks.call("fast", 2.0)}
    rounds = measure.interleaved(calls, 3, lambda: ticks.now)
    assert ticks.order == ["slow", "fast", "fast", "slow", "slow", "fast"]
    assert rounds.times == {"slow": [6.0] * 3, "fast": [2.0] * 3}
    assert rounds.ratios("slow", "fast") == [3.0] * 3 and rounds.ratio("slow", "fast") == 3.0


def test_the_floor_is_what_takes_longer() -> None:
    machine = measure.Ceilings(copy=100.0, matrix={torch.float32: 10.0})
    assert machine.floor(300, 10, torch.float32) == 3.0
    assert machine.floor(300, 50, torch.float32) == 5.0


def test_a_machine_has_a_readable_name_without_the_host() -> None:
    name = measure.machine(torch.device("cpu"))
    assert name.endswith(f"-torch-{torch.__version__.split('+')[0]}")
    assert name == name.lower() and "/" not in name and " " not in name


def test_tf32_is_put_back() -> None:
    before = torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32
    with measure.tf32(not before[0]):
        assert torch.backends.cuda.matmul.allow_tf32 is torch.backends.cudnn.allow_tf32 is (not before[0])
    assert (torch.backends.cuda.matmul.allow_tf32, torch.backends.cudnn.allow_tf32) == before


@pytest.mark.parametrize("variant", [name for name in steps.VARIANTS if "bf16" in name])
def test_steps_that_take_minutes_are_refused_with_the_reason(monkeypatch: pytest.MonkeyPatch, variant: str) -> None:
    monkeypatch.setattr(precision, "processor_multiplies", lambda dtype: dtype != torch.bfloat16)
    with pytest.raises(steps.Unfit, match="no instructions for bfloat16"):
        steps.make("cyclegan", variant, 2, torch.device("cpu"))


def test_nothing_is_refused_where_the_instructions_are(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(precision, "processor_multiplies", lambda dtype: True)
    assert steps.make("cyclegan", "bf16", 2, torch.device("cpu")).method.networks
    monkeypatch.setattr(precision, "processor_multiplies", lambda dtype: False)
    assert precision.too_slow(torch.bfloat16, torch.device("cuda")) == ""  # the processor is not what computes


def test_flops_are_counted_forward_and_backward() -> None:
    layer, x = nn.Linear(3, 5), torch.ones(7, 3)
    assert measure.flops(lambda: layer(x).sum().backward()) == 2 * (
        2 * 7 * 3 * 5
    )  # the picture's gradient is not asked


@pytest.mark.parametrize(
    "ours, theirs", [(AdaLIN, reference.AdaLIN), (LIN, reference.LIN), (InstanceNorm, nn.InstanceNorm2d)]
)
def test_the_reference_forms_of_norms_are_the_same_functions(ours: Any, theirs: Any) -> None:
    torch.manual_seed(0)
    mine, other = ours(4).double(), theirs(4).double()
    parity.same_weights(mine, other)
    inputs = [torch.randn(2, 4, 5, 6, dtype=torch.float64, requires_grad=True)]
    if ours is AdaLIN:
        inputs += [torch.rand(2, 4, dtype=torch.float64, requires_grad=True) for _ in range(2)]
    parity.check(parity.outputs(mine, inputs), parity.outputs(other, inputs), torch.float64)


def test_parity_refuses_another_function() -> None:
    x = torch.randn(1, 4, 8, 8, requires_grad=True)
    block, other = ResidualBlock(4, InstanceNorm), reference.Residual(4)
    parity.same_weights(block, other)
    expected = parity.outputs(other, [x], parity.kernels(other))
    parity.check(parity.outputs(block, [x], parity.kernels(block)), expected, torch.float32)
    with torch.no_grad():
        parity.kernels(block)[0].mul_(-1)
    with pytest.raises(AssertionError, match="off by"):
        parity.check(parity.outputs(block, [x], parity.kernels(block)), expected, torch.float32)
    with pytest.raises(AssertionError, match="cosine"):
        parity.check([-t for t in expected], expected, torch.bfloat16)


def test_the_reference_networks_have_the_papers_sizes() -> None:
    counts = [sum(p.numel() for p in make(64).parameters()) for make in (reference.generator, reference.critic)]
    assert counts == [11378179, 2764737]  # of CycleGAN's code


def test_a_plain_step_trains_all_four_networks() -> None:
    torch.manual_seed(0)
    step = reference.CycleGANStep(2, torch.device("cpu"))
    networks = [*step.makers, *step.critics]
    before = [next(network.parameters()).clone() for network in networks]
    losses = step(torch.rand(1, 3, 32, 32), torch.rand(1, 3, 32, 32))
    assert len(losses) == 2 and all(loss > 0 for loss in losses)
    assert not any(torch.equal(b, next(n.parameters())) for b, n in zip(before, networks, strict=True))


# -- tables ------------------------------------------------------------------------------------------------------------
def test_the_table_stands_between_its_markers() -> None:
    result = {"machine": "m", "device": "d", "threads": 1, "torch": "2", "python": "3"}
    result["cases"] = {"norm/lin": {"ms": 1.5, "floor_ms": 0.75, "percent_of_floor": 50.0}}
    text = table.of_machine(result)
    assert "| norm/lin | 1.5 | 0.75 | 50 | - |" in text
    page = f"# Title\n\n{table.BEGIN}\nold\n{table.END}\n\nmore\n"
    written = table.written(page, text)
    assert text in written and "old" not in written and written.startswith("# Title") and written.endswith("more\n")
    assert table.written(written, text) == written


def test_the_page_shows_the_results_that_are_kept() -> None:
    page = (table.HERE / "README.md").read_text()
    assert table.written(page, table.rendered()) == page, "run `python -m benchmarks.table`"


def test_an_unknown_variant_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        peers.parse(["--ours", "fp31"])
    assert "no variant is called fp31; there are fp32" in capsys.readouterr().err
