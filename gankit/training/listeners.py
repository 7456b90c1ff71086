"""Those who listen to a training: its callbacks, called one by one, each kept from harming it."""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import redirect_stdout
from copy import deepcopy
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

from gankit.callbacks.base import Callback, Event, Keep, Stop
from gankit.contracts import CallbackContract
from gankit.core.errors import CheckpointError, GankitError
from gankit.core.recipe import Recipe
from gankit.methods.base import Method
from gankit.training.seeds import untouched
from gankit.training.tree import pack

T = TypeVar("T")


@dataclass
class _Listener:
    """One callback. name: as the recipe has it. arguments: of one that changes the training, else None."""

    callback: Callback
    name: str
    arguments: dict[str, Any] | None
    told: bool = True  # false once it has failed

    @property
    def decides(self) -> bool:
        """Whether the training depends on it."""
        contract = CallbackContract(self.callback)
        return self.arguments is not None or contract.may_stop or contract.may_keep


class Listeners:
    """Calls the callbacks of a recipe. say: writes a line to stderr. method: for callbacks that change the training."""

    def __init__(
        self, callbacks: Sequence[Callback], recipe: Recipe, method: Method, say: Callable[[str], None]
    ) -> None:
        self._recipe, self._method, self._say = recipe.filled(), method, say
        self.stop: str | None = None
        """Who asked for the end of the training, and why."""
        self.keep: Keep | None = None
        """What somebody asked to be kept, until it is."""
        self._listeners = [
            _Listener(
                callback,
                spec.type.removeprefix("gankit/"),
                spec.model_dump(mode="json") if CallbackContract(callback).changes_training else None,
            )
            for callback, spec in zip(callbacks, recipe.train.callbacks, strict=bool(callbacks))
        ]

    def tell(self, name: str, run: Path, **facts: Any) -> None:
        """Call all who hear of this event. Raises GankitError when one fails on which the training depends."""
        heard = [one for one in self._listeners if one.told and _hears(one.callback, name)]
        for one in heard:
            event = Event(name, run, deepcopy(self._recipe), **deepcopy(facts))
            if one.arguments is not None:
                event = replace(event, method=self._method)
            answer = self._call(one, name, partial(getattr(one.callback, name), event))
            if isinstance(answer, Stop) and name != "end":
                self._asked(one, answer)
            if isinstance(answer, Keep):
                self._asked_to_keep(one, answer)

    def _asked(self, one: _Listener, stop: Stop) -> None:
        if CallbackContract(one.callback).may_stop:
            self.stop = self.stop or f"{stop.reason} ({one.name})"
        else:
            self._leave_out(one, "it asks for the end of the training and does not declare `may_stop`")

    def _asked_to_keep(self, one: _Listener, keep: Keep) -> None:
        if CallbackContract(one.callback).may_keep:
            self.keep = keep
        else:
            self._leave_out(one, "it asks for a checkpoint to be kept and does not declare `may_keep`")

    def _call(self, one: _Listener, what: str, function: Callable[[], T]) -> T | None:
        try:
            with untouched(), redirect_stdout(sys.stderr):
                return function()
        except Exception as error:
            text = str(error).strip().partition("\n")[0]
            why = f"{what}: {type(error).__name__}{f': {text}' if text else ''}"
            if one.decides and what != "end":
                ended = "The training depends on it: repair it, and continue with --resume"
                raise GankitError(f"the callback {one.name} failed at {why}. {ended}") from error
            self._leave_out(one, why)
            return None

    def _leave_out(self, one: _Listener, why: str) -> None:
        if one.told:
            self._say(f"the callback {one.name} is left out from here on: {why}")
        one.told = False

    # -- state ---------------------------------------------------------------------------------------------------------
    def state_dict(self) -> list[dict[str, Any]]:
        return [
            {"name": one.name, "arguments": one.arguments, "state": self._call(one, "state_dict", partial(_state, one))}
            for one in self._listeners
        ]

    def load_state_dict(self, stored: Sequence[Mapping[str, Any]]) -> None:
        """Give each callback its state; those that were not there have none. Raises CheckpointError where those that
        change the training were others."""
        ours = [one.arguments for one in self._listeners if one.arguments is not None]
        theirs = [entry["arguments"] for entry in stored if entry["arguments"] is not None]
        if ours != theirs:
            raise CheckpointError(
                "the callbacks that change the training are not those with which the checkpoint was written: give "
                f"train.callbacks what it had: {theirs or 'none of them'}"
            )
        left = list(stored)
        for one in self._listeners:
            place = next((i for i, entry in enumerate(left) if entry["name"] == one.name), None)
            state = None if place is None else left.pop(place)["state"]
            if state is not None:
                self._call(one, "load_state_dict", partial(one.callback.load_state_dict, state))


def _hears(callback: Callback, name: str) -> bool:
    return getattr(type(callback), name) is not getattr(Callback, name)


def _state(one: _Listener) -> dict[str, Any]:
    state = one.callback.state_dict()
    pack(state)  # TypeError where a checkpoint cannot hold it
    return state
