"""The conformance kit on callbacks: those that ship pass, and each way of being wrong is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch

import gankit
from gankit.callbacks.base import Callback, Event, Stop
from gankit.core.catalogue import catalogue
from gankit.testing import check_component


@pytest.fixture(autouse=True)
def own_catalogue() -> Iterator[None]:
    yield
    catalogue.cache_clear()


class Counts(Callback):
    """Counts lines. gankit's tests."""

    may_stop = True

    def __init__(self) -> None:
        self.lines, self.last = 0, torch.zeros(1)

    def log(self, event: Event) -> Stop | None:
        self.lines += 1
        return Stop("enough") if self.lines > 1 else None

    def state_dict(self) -> dict[str, Any]:
        return {"lines": self.lines, "last": self.last, "pair": (1, None)}

    def load_state_dict(self, state: Any) -> None:
        self.lines, self.last = state["lines"], state["last"]


class Deaf:
    """Is none. gankit's tests."""


class Answers(Counts):
    """Returns what means nothing. gankit's tests."""

    def log(self, event: Event) -> Any:
        return True


class StopsUnannounced(Counts):
    """Does not say that it may stop. gankit's tests."""

    may_stop = False

    def begin(self, event: Event) -> Stop:
        return Stop("no")


class Raises(Counts):
    """Cannot do without a picture. gankit's tests."""

    def sample(self, event: Event) -> None:
        assert event.picture is not None
        event.picture.no_such_thing()  # type: ignore[attr-defined]


class Forgets(Counts):
    """Loads nothing. gankit's tests."""

    def load_state_dict(self, state: Any) -> None: ...


class KeepsObjects(Counts):
    """Has a state that no checkpoint holds. gankit's tests."""

    def state_dict(self) -> dict[str, Any]:
        return {"a": [1, {2}]}


class CannotGoOn(Counts):
    """Fails when it is resumed. gankit's tests."""

    def begin(self, event: Event) -> None:
        if event.step:
            raise RuntimeError("never again")


class Declares(Counts):
    """Declares a number. gankit's tests."""

    may_stop = 1  # type: ignore[assignment]


def test_a_good_one_passes() -> None:
    gankit.register("callback", "counts")(Counts)
    report = check_component("callback", "counts")
    assert {name for name in ("sample", "state_dict", "schema", "pickle") if report[name].status == "passed"} == {
        "sample", "state_dict", "schema", "pickle"
    }  # fmt: skip
    assert report["gradients"].status == "not applicable"


@pytest.mark.parametrize(
    ("make", "check", "reason"),
    [
        (Deaf, "sample", "derives from gankit.callbacks.base.Callback"),
        (Answers, "sample", "`log` returned True; it is None, a Stop or a Keep"),
        (StopsUnannounced, "sample", "`begin` returned a Stop, which `may_stop = True` must announce"),
        (Raises, "sample", "AttributeError: "),
        (Forgets, "state_dict", "its state is another one when it has been loaded"),
        (KeepsObjects, "state_dict", "the state['a'][1] is a set, which a checkpoint cannot hold"),
        (CannotGoOn, "state_dict", "RuntimeError: never again"),
        (Declares, "declares", "`may_stop` is bool, not 1"),
    ],
)
def test_what_is_wrong_is_told(make: type, check: str, reason: str) -> None:
    gankit.register("callback", "tested")(make)
    report = check_component("callback", "tested", raise_on_failure=False)
    assert report[check].status == "failed" and reason in report[check].reason
