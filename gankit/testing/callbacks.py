"""What a callback must do: hear a whole training and another that goes on from its state."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor, nn

from gankit.callbacks.base import EVENTS, Callback, Event, Keep, Stop
from gankit.contracts import CallbackContract
from gankit.testing.calls import require


def story(run: Path, first: int, outcome: str, method: Any, metric: str) -> Iterator[Event]:
    """All events of a training of two steps after the step `first`, in their order. metric: what is measured."""
    figure = {"metric": metric, "direction": "a2b", "value": 20.0, "interval": [19.0, 21.0], "better": "higher"}
    facts: dict[str, dict[str, Any]] = {
        "begin": {},
        "step": {"losses": {"generator/cycle/a2b": 0.5}, "rates": {"generator": 2e-4}},
        "log": {"losses": {"generator/cycle/a2b": 0.5}, "rates": {"generator": 2e-4}, "seconds": 1.5, "speed": 8.0},
        "checkpoint": {"file": run / "checkpoints" / "step_00000002"},
        "sample": {"file": run / "samples" / "step_000002.png", "picture": Image.new("RGB", (8, 6), "teal")},
        "measured": {"results": [figure]},
        "evaluated": {"results": [figure]},
        "end": {"outcome": outcome},
    }
    order = ("begin", "step", "log", "step", *EVENTS[2:])
    steps = (first, first + 1, first + 1, *[first + 2] * 7)
    recipe = {"gankit": 1, "name": "kit", "train": {"steps": 9}}
    for name, step in zip(order, steps, strict=True):
        yield Event(name, run, recipe, step=step, total=9, method=method, **facts[name])


def hear(callback: Any, run: Path, first: int = 0, outcome: str = "done") -> None:
    """Tell a callback such a story. Raises AssertionError where it answers what it may not."""
    contract = CallbackContract(callback)
    method = nn.ModuleDict({"networks": nn.ModuleDict({"generator_a2b": nn.Conv2d(3, 3, 1)})})
    told = method if contract.changes_training else None
    for event in story(run, first, outcome, told, contract.watches or "psnr"):
        with torch.no_grad():
            answer = getattr(callback, event.name)(event)
        fits = answer is None or isinstance(answer, Stop | Keep)
        require(fits, f"`{event.name}` returned {answer!r}; it is None, a Stop or a Keep")
        for kind, says in ((Stop, contract.may_stop), (Keep, contract.may_keep)):
            announced = says or not isinstance(answer, kind)
            flag = f"may_{kind.__name__.lower()}"
            require(announced, f"`{event.name}` returned a {kind.__name__}, which `{flag} = True` must announce")


def judge_callback(callback: Any) -> None:
    """Raise AssertionError unless it hears a whole training that ends well."""
    require(isinstance(callback, Callback), "a callback derives from gankit.callbacks.base.Callback")
    with tempfile.TemporaryDirectory() as folder:
        hear(callback, Path(folder))


def judge_state(callback: Any, other: Any) -> None:
    """Raise AssertionError unless another one goes on from its state: as it was, through a checkpoint, and after it has
    heard more."""
    with tempfile.TemporaryDirectory() as folder:
        hear(callback, Path(folder), outcome="interrupted")
        state = stored(callback.state_dict())
        other.load_state_dict(state)
        require(same(stored(other.state_dict()), state), "its state is another one when it has been loaded")
        hear(other, Path(folder), first=2)


def stored(value: Any, place: str = "the state") -> Any:
    """A state as a checkpoint keeps it. AssertionError where it cannot."""
    if isinstance(value, dict):
        require(all(isinstance(key, str) for key in value), f"{place} has keys that are not text")
        return {key: stored(one, f"{place}[{key!r}]") for key, one in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(stored(one, f"{place}[{i}]") for i, one in enumerate(value))
    if isinstance(value, Tensor):
        return value.detach().clone()
    plain = value is None or isinstance(value, bool | int | float | str)
    require(plain, f"{place} is a {type(value).__name__}, which a checkpoint cannot hold")
    return json.loads(json.dumps(value))


def same(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Tensor) or isinstance(theirs, Tensor):
        return isinstance(ours, Tensor) and isinstance(theirs, Tensor) and torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(same(ours[key], theirs[key]) for key in ours)
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(same, ours, theirs))
    return bool(ours == theirs)
