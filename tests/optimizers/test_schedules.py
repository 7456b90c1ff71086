"""Schedules: factors on the learning rate."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch.optim.lr_scheduler import ReduceLROnPlateau

from gankit.contracts import ScheduleContract
from gankit.optimizers.decay import Constant, Cosine, Linear, Steps
from gankit.optimizers.plateau import Plateau
from gankit.optimizers.warmup import Warmup
from gankit.slots import Position


def factors(schedule, epochs: int, steps_per_epoch: int = 1) -> list[float]:
    """One for each step of a training."""
    steps = epochs * steps_per_epoch
    return [schedule(Position(i, i // steps_per_epoch, steps, epochs)) for i in range(steps)]


@pytest.mark.parametrize(
    ("convention", "expected"),
    [
        ("epoch_end", [1, 1, 2 / 3, 1 / 3]),
        ("epoch_start", [1, 2 / 3, 1 / 3, 0]),
        ("last_zero", [1, 1, 1 / 2, 0]),
        ("first_full", [1, 1, 1, 1 / 2]),
    ],
)
def test_conventions_of_linear_decay(convention, expected: list[float]) -> None:
    assert factors(Linear(convention=convention), 4) == pytest.approx(expected, abs=1e-15)
    by_epochs = factors(Linear(convention=convention), 4, steps_per_epoch=3)
    assert by_epochs == pytest.approx([f for f in expected for _ in range(3)], abs=1e-15)
    by_steps = factors(Linear(convention=convention, every="step"), 2, steps_per_epoch=2)
    assert by_steps == pytest.approx(expected, abs=1e-15)


def test_a_single_epoch_is_not_spent_at_rate_zero() -> None:
    assert factors(Linear(decay_from=0, convention="epoch_start"), 1) == [0.5]
    assert factors(Linear(convention="epoch_start"), 1) == [0.5]


def test_ugatit_lowers_the_rate_by_the_same_amount_each_step() -> None:
    total, rate, expected = 1000, 1e-4, 1e-4
    schedule = Linear(every="step", convention="last_zero")
    for step in range(1, total + 1):  # its steps count from 1
        if step > total // 2:
            expected -= rate / (total // 2)
        assert rate * schedule(Position(step - 1, 0, total, 1)) == pytest.approx(expected, abs=1e-17)


def test_constant_and_cosine() -> None:
    assert set(factors(Constant(), 7)) == {1.0}
    cosine = Cosine(decay_from=0.5)
    assert [cosine(Position(0, i, 8, 8)) for i in (0, 4, 6, 8, 9)] == pytest.approx([1, 1, 0.5, 0, 0], abs=1e-15)
    assert factors(Linear(decay_from=1.0), 5) == factors(Cosine(decay_from=1.0), 5) == [1.0] * 5


def test_never_negative_past_the_end() -> None:
    assert Linear()(Position(50, 50, 10, 10)) == 0


def test_shares_are_not_cut_by_rounding() -> None:
    for n in range(100):
        schedule = Linear(decay_from=n / 100, convention="first_full")
        assert [schedule(Position(0, i, 100, 100)) for i in (n, n + 1)] == [1.0, pytest.approx(1 - 1 / (100 - n))]


@pytest.mark.parametrize(
    ("make", "bad", "word"),
    [
        (Linear, {"decay_from": 1.5}, "share"),
        (Cosine, {"decay_from": -1}, "share"),
        (Linear, {"convention": "x"}, "convention"),
        (Linear, {"every": "x"}, "every"),
        (Steps, {"drop_every": 0}, "drop_every"),
        (Steps, {"drop_every": 3, "drop_factor": 1.5}, "drop_factor"),
        (Warmup, {"steps": 0}, "steps"),
        (Warmup, {"start": 2}, "start"),
        (Plateau, {"watch": "x", "factor": 1.0}, "factor"),
    ],
)
def test_wrong_settings_are_refused(make, bad: dict[str, Any], word: str) -> None:
    with pytest.raises(ValueError, match=word):
        make(**bad)


def test_steps_multiply_the_rate_every_so_often() -> None:
    schedule = Steps(drop_every=3, drop_factor=0.1)
    assert factors(schedule, 7) == pytest.approx([1, 1, 1, 0.1, 0.1, 0.1, 0.01])
    assert Steps(drop_every=100_000, every="step")(Position(250_000, 0, 1_000_000, 1)) == 0.25


def test_a_warm_up_stands_in_front_of_another() -> None:
    assert factors(Warmup(steps=4), 6) == pytest.approx([0.25, 0.5, 0.75, 1, 1, 1])
    assert factors(Warmup(steps=2, start=0.5), 3) == pytest.approx([0.75, 1, 1])
    falling = factors(Linear(), 2, steps_per_epoch=4)
    warmed = factors(Warmup(steps=2, then=Linear()), 2, steps_per_epoch=4)
    assert warmed == pytest.approx([falling[0] / 2, *falling[1:]]) and falling[-1] < 1


def told(schedule, values: list[float]) -> list[float]:
    """The factor after each value."""
    given = []
    for value in values:
        schedule.hear({"loss": value, "other": -value})
        given.append(schedule(Position(0, 0, 1, 1)))
    return given


@pytest.mark.parametrize("better", ["lower", "higher"])
@pytest.mark.parametrize("cooldown", [0, 2])
def test_a_plateau_is_found_as_torch_finds_it(better, cooldown: int) -> None:
    generator = torch.Generator().manual_seed(0)
    values = (torch.rand(60, generator=generator) + torch.linspace(2, 1, 60)).tolist()
    values = values if better == "lower" else [4 - v for v in values]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=1.0)
    mode = "min" if better == "lower" else "max"
    theirs = ReduceLROnPlateau(optimizer, mode, 0.5, 3, threshold=0.01, cooldown=cooldown, min_lr=0.1, eps=0)
    expected = []
    for value in values:
        theirs.step(value)
        expected.append(optimizer.param_groups[0]["lr"])
    ours = Plateau(watch="loss", patience=3, threshold=0.01, better=better, cooldown=cooldown, least=0.1)
    assert told(ours, values) == expected
    assert expected[-1] == 0.1 and len(set(expected)) > 3


def test_a_plateau_goes_on_where_it_was_behind_a_warm_up_too() -> None:
    values = [3.0, 2.0, 2.5, 2.5, 2.5, 1.0, 1.5, 1.5, 1.5, 1.5]
    alone = told(Plateau(watch="loss", patience=1, cooldown=1), values)
    for k in range(len(values)):
        first, second = (Warmup(steps=1, then=Plateau(watch="loss", patience=1, cooldown=1)) for _ in range(2))
        begun = told(first, values[:k])
        second.load_state_dict(first.state_dict())
        assert begun + told(second, values[k:]) == alone
    assert ScheduleContract(Warmup(then=Plateau(watch="loss"))).watches == ("loss",)
    assert alone[-1] < 0.5


def test_what_a_plateau_does_not_watch_changes_nothing() -> None:
    schedule = Plateau(watch="loss", patience=0)
    for _ in range(5):
        schedule.hear({"other": 1.0})
    assert schedule(Position(0, 0, 1, 1)) == 1.0


def test_a_schedule_need_declare_nothing() -> None:
    contract = ScheduleContract(Constant())
    contract.hear({"loss": 1.0})
    contract.load_state_dict(contract.state_dict())
    assert contract.watches == () and contract.state_dict() == {}
