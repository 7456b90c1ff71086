"""`--set losses.NAME=null` leaves a loss out."""

from __future__ import annotations

from collections.abc import Callable

from gankit.core.recipe import Recipe
from tests.core.test_recipe import GOOD
from tests.core.toys import recipe

TWO = GOOD.replace("losses:\n", "losses:\n  more: {type: toyloss, weight: 2}\n")


def test_an_option_of_null_leaves_a_loss_out() -> None:
    two = recipe(losses={"main": "toyloss", "more": "toyloss"})
    assert list(Recipe.load(two, ["losses.more=null"]).losses) == ["main"]
    assert list(Recipe.load(two, ["losses.more.weight=2", "losses.more=null"]).losses) == ["main"]
    assert Recipe.load(two, ["losses.more=null", "losses.more=toyloss"]) == Recipe.load(two)


def test_one_that_is_not_there_is_told(report: Callable[..., str]) -> None:
    told = report(TWO, "losses.mian=null")
    assert "losses.mian: there is no such loss to leave out; did you mean 'main'?" in told
    assert "--set losses.mian=null\n" in told
    assert "there are: more, main" in report(TWO, "losses.cam=null")


def test_some_loss_must_stay(report: Callable[..., str]) -> None:
    assert "losses: must have at least 1 item" in report(GOOD, "losses.main=null")


def test_in_a_file_null_may_be_a_line_that_was_never_finished(report: Callable[..., str]) -> None:
    told = report(TWO.replace("{type: toyloss, weight: 2}", ""))
    assert (
        "losses.more: must be the name of a loss, or a mapping with `type`; leave out a loss that is not wanted" in told
    )
