from __future__ import annotations

import pytest

from gankit.training.schedules import Schedule


@pytest.mark.parametrize(
    ("convention", "factors"),
    [
        ("epoch_end", [1, 1, 2 / 3, 1 / 3]),
        ("epoch_start", [1, 2 / 3, 1 / 3, 0]),
        ("last_zero", [1, 1, 1 / 2, 0]),
        ("first_full", [1, 1, 1, 1 / 2]),
    ],
)
def test_conventions_of_linear_decay(convention, factors: list[float]) -> None:
    schedule = Schedule("linear", total=4, decay_from=0.5, convention=convention)
    assert [schedule(i) for i in range(4)] == pytest.approx(factors, abs=1e-15)


def test_ugatit_lowers_the_rate_by_the_same_amount_each_step() -> None:
    total, rate, expected = 1000, 1e-4, 1e-4
    schedule = Schedule("linear", total, 0.5, "last_zero")
    for step in range(1, total + 1):  # its steps count from 1
        if step > total // 2:
            expected -= rate / (total // 2)
        assert rate * schedule(step - 1) == pytest.approx(expected, abs=1e-17)


def test_constant_and_cosine() -> None:
    assert {Schedule("constant", 7)(i) for i in range(7)} == {1.0}
    cosine = Schedule("cosine", total=8, decay_from=0.5)
    assert [cosine(i) for i in (0, 4, 6, 8, 9)] == pytest.approx([1, 1, 0.5, 0, 0], abs=1e-15)
    assert Schedule("linear", 5, decay_from=1.0)(4) == 1


def test_never_negative_past_the_end() -> None:
    assert Schedule("linear", 10)(50) == 0


def test_shares_are_not_cut_by_rounding() -> None:
    assert all(Schedule("linear", 100, decay_from=n / 100).full == n for n in range(101))


@pytest.mark.parametrize(
    ("bad", "word"),
    [
        ({"total": 0}, "total"),
        ({"decay_from": 1.5}, "share"),
        ({"kind": "x"}, "kind"),
        ({"convention": "x"}, "convention"),
    ],
)
def test_wrong_settings_are_refused(bad, word: str) -> None:
    with pytest.raises(ValueError, match=word):
        Schedule(**bad)


def test_steps_multiply_the_rate_every_so_often() -> None:
    schedule = Schedule("step", 10, decay_from=0.9, drop_every=3, drop_factor=0.1)
    assert [schedule(i) for i in (0, 2, 3, 5, 6)] == pytest.approx([1, 1, 0.1, 0.1, 0.01])
    assert Schedule("step", 1_000_000, drop_every=100_000)(250_000) == 0.25


@pytest.mark.parametrize("bad", [{}, {"drop_every": 0}, {"drop_every": 3, "drop_factor": 1.5}])
def test_a_step_schedule_says_what_it_needs(bad) -> None:
    with pytest.raises(ValueError, match="drop_"):
        Schedule("step", 10, **bad)
