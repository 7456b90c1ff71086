"""A schedule in a training: where it is, what it hears, how it goes on."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from gankit.core.errors import TrainingError
from gankit.slots import Position
from gankit.training.rates import Rates


class Notes:
    """Writes down what it is asked and told."""

    watches = ("loss", "seldom")

    def __init__(self, factor: float = 1.0) -> None:
        self.asked: list[Position] = []
        self.told: list[dict[str, float]] = []
        self.factor = factor

    def __call__(self, position: Position) -> float:
        self.asked.append(position)
        return self.factor

    def hear(self, values: Mapping[str, float]) -> None:
        self.told.append(dict(values))


def play(rates: Rates, steps: range) -> None:
    for step in steps:
        rates.factor(step)
        rates.add({"loss": float(step), "other": 9.0} | ({"seldom": 1.0} if step == 4 else {}))


def test_it_hears_the_means_of_each_epoch_at_its_end() -> None:
    notes = Notes()
    play(Rates(notes, steps=8, steps_per_epoch=3), range(8))
    assert notes.told == [{"loss": 1.0}, {"loss": 4.0, "seldom": 1.0}]
    assert notes.asked[4] == Position(step=4, epoch=1, steps=8, epochs=3)


@pytest.mark.parametrize("stop", range(9))
def test_what_was_heard_in_an_epoch_is_not_lost(stop: int) -> None:
    alone, first, second = Notes(), Notes(), Notes()
    play(Rates(alone, 8, 3), range(8))
    begun, resumed = Rates(first, 8, 3), Rates(second, 8, 3)
    play(begun, range(stop))
    resumed.load_state_dict(begun.state_dict())
    play(resumed, range(stop, 8))
    assert first.told + second.told == alone.told


def test_only_what_watches_makes_the_loop_wait() -> None:
    rates = Rates(Notes(), 8, 3)
    assert [rates.listens(step) for step in range(4)] == [True, False, False, True]
    assert not Rates(lambda position: 1.0, 8, 3).listens(0)


@pytest.mark.parametrize("factor", [-0.1, float("nan"), float("inf")])
def test_a_factor_that_is_none_is_named(factor: float) -> None:
    with pytest.raises(TrainingError, match="step 3: the schedule Notes gives the factor"):
        Rates(Notes(factor), 8, 3).factor(2)
