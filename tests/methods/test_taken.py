"""Losses that take fields of the batch, and those that learn from real pictures alone."""

from __future__ import annotations

from typing import ClassVar

import pytest
import torch
from torch import Tensor, nn

from gankit.core.errors import BuildError
from gankit.fields import Label
from gankit.losses.adversarial import LSGAN
from gankit.methods.paired import Paired
from gankit.methods.plan import Term, plan_turns
from gankit.methods.turns import TurnModule
from gankit.training.step import Stepper
from tests.methods.small import batch, critic, cyclegan, generator


class Named(nn.Module):
    """A network of its own learns the labels of real pictures, and judges by them."""

    learns_in: ClassVar[str] = "discriminator"

    def __init__(self) -> None:
        super().__init__()
        self.takes = {"label": Label(4)}
        self.scores = nn.Linear(3, 4)

    def forward(self, output: Tensor, label: Tensor) -> Tensor:
        return nn.functional.cross_entropy(self.scores(output.mean((2, 3))), label)

    def discriminator(self, source: Tensor, label: Tensor) -> Tensor:
        return self(source, label)


class Alone(Named):
    """Labels without a picture whose they could be."""

    def discriminator(self, label: Tensor) -> Tensor:  # type: ignore[override]
        return label.float().mean()


class Other(Named):
    """It learns the labels of targets."""

    def discriminator(self, target: Tensor, back_label: Tensor) -> Tensor:  # type: ignore[override]
        return self(target, back_label)


def turns_of(method: nn.Module, term: Term) -> dict[str, TurnModule]:
    return {turn.turn.name: turn for turn in plan_turns(method, {"named": term})}  # type: ignore[arg-type]


def taken(turn: TurnModule) -> dict[str, str]:
    return {term.key: dict(term.arguments)["label"] for term in turn.terms}


def test_a_field_is_that_of_the_source() -> None:
    turns = turns_of(cyclegan(), Term(Named()))
    assert taken(turns["generator"]) == {
        "generator/named/a2b": "batch:label_a",
        "generator/named/b2a": "batch:label_b",
    }
    assert set(taken(turns["discriminator"]).values()) == {"batch:label_a", "batch:label_b"}
    assert [term.fields for term in turns["generator"].terms] == [{"label_a": Label(4)}, {"label_b": Label(4)}]


def test_in_one_direction_a_field_has_its_own_name_and_on_says_another() -> None:
    method = Paired(generator, critic)
    assert taken(turns_of(method, Term(Named()))["generator"]) == {"generator/named/a2b": "batch:label"}
    rebound = turns_of(method, Term(Named(), on={"label": "label_a"}))
    assert taken(rebound["generator"]) == {"generator/named/a2b": "batch:label_a"}


def test_a_field_of_no_picture_is_refused() -> None:
    with pytest.raises(BuildError, match="no picture beside `label`, and no other direction, tells whose"):
        turns_of(cyclegan(), Term(Alone()))
    turns_of(cyclegan(), Term(Alone(), on={"label": "label_a"}))


def test_back_is_the_other_directions() -> None:
    turns = turns_of(cyclegan(), Term(Other()))
    assert [dict(term.arguments)["back_label"] for term in turns["discriminator"].terms] == [
        "batch:label_b",
        "batch:label_a",
    ]
    assert turns["discriminator"].terms[0].fields == {"label_b": Label(4)}
    with pytest.raises(BuildError, match="no picture beside `back_label`, and no other direction, tells whose that is"):
        turns_of(Paired(generator, critic), Term(Other()))
    turns_of(Paired(generator, critic), Term(Other(), on={"back_label": "label_b"}))


@pytest.mark.parametrize("others", [{}, {"adversarial": LSGAN()}], ids=["alone", "beside critics"])
def test_a_loss_learns_from_real_pictures_alone(others: dict[str, nn.Module]) -> None:
    torch.manual_seed(0)
    loss, items = Named(), batch(n=2) | {"label_a": torch.tensor([0, 3]), "label_b": torch.tensor([1, 2])}
    stepper = Stepper(cyclegan(), {"named": loss, **others}, pool_size=0)
    assert [turn.turn.name for turn in stepper.turns if turn.learned] == ["discriminator"]
    first = stepper.step(items)
    for _ in range(60):
        last = stepper.step(items)
    for way in ("a2b", "b2a"):
        key = f"discriminator/named/{way}"
        assert last[key] < first[key]


def test_the_generators_turn_does_not_train_it() -> None:
    loss, method = Named(), cyclegan()
    stepper = Stepper(method, {"named": Term(loss, turn=None)}, pool_size=0)
    items = batch(n=2) | {"label_a": torch.tensor([0, 3]), "label_b": torch.tensor([1, 2])}
    critics = next(turn for turn in stepper.turns if turn.turn.name == "discriminator")
    stepper.turns.remove(critics)  # only the generators move
    before = loss.scores.weight.clone(), [p.clone() for p in method.network("generator", "a2b").parameters()]
    stepper.step(items)
    assert torch.equal(loss.scores.weight, before[0])
    moved = zip(method.network("generator", "a2b").parameters(), before[1], strict=True)
    assert any(not torch.equal(now, then) for now, then in moved)


def test_without_its_labels_a_direction_is_left_out() -> None:
    stepper = Stepper(cyclegan(), {"named": Term(Named(), weight={"a2b": 1})}, pool_size=0)
    told = stepper.step(batch(n=2) | {"label_a": torch.tensor([0, 3])})
    assert set(told) == {"generator/named/a2b", "discriminator/named/a2b"}
