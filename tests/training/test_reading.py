from __future__ import annotations

import pytest
import torch

from gankit.core.errors import TrainingError
from gankit.training.reading import Losses


def test_losses_are_a_mapping_of_numbers() -> None:
    losses = Losses(3, ["g/cycle/a2b", "d/gan/a2b"], torch.tensor([1.5, 0.25]))
    assert losses == {"g/cycle/a2b": 1.5, "d/gan/a2b": 0.25}
    assert list(losses) == ["g/cycle/a2b", "d/gan/a2b"] and len(losses) == 2
    assert repr(losses) == "{'g/cycle/a2b': 1.5, 'd/gan/a2b': 0.25}"


def test_none_at_all() -> None:
    assert Losses(1, [], torch.zeros(0)) == {}


@pytest.mark.parametrize("value", ["nan", "inf", "-inf"])
def test_a_look_at_what_is_not_finite_names_step_and_terms(value: str) -> None:
    losses = Losses(7, ["g/cycle/a2b", "g/gan/a2b"], torch.tensor([1.0, float(value)]))
    for look in (losses.read, lambda: losses["g/cycle/a2b"], lambda: dict(losses)):
        with pytest.raises(TrainingError, match=rf"step 7: the loss g/gan/a2b became {value}"):
            look()


def test_what_is_watched_stands_beside_the_losses_as_far_as_it_is_finite() -> None:
    values = torch.tensor([1.5, 0.25, float("inf")])
    losses = Losses(3, ["g/cycle/a2b"], values, ["critics/a2b/real", "gradients/generator_a2b"])
    assert losses == {"g/cycle/a2b": 1.5} and losses.watched == {"critics/a2b/real": 0.25}
