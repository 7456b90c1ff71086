"""The base of callbacks, and what they are told: plain data, no network and no optimizer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

from gankit.core.figures import tracked

if TYPE_CHECKING:
    from PIL import Image

EVENTS = ("begin", "step", "log", "checkpoint", "sample", "measured", "evaluated", "end")
"""The names of the methods that are called, in the order in which they may come at one step."""


@dataclass(frozen=True)
class Event:
    """What has happened. What an event is not about stays empty.

    run: the directory of the run. recipe: with every default filled in. step: how many are done; at `begin` that is the
    step from which a resumed training goes on, 0 for a new one. total: how many there will be. epoch: of the last step,
    from 0. losses: the weighted terms by `turn/term/direction`: their means since the last line at `log`; at `step`
    those of the newest step whose numbers are there, which on a GPU is the one before. rates: learning rates by turn.
    augments: what they tell of themselves, by their place in the recipe, as `0.p`. watched: at `log`, what critics say,
    `critics/DIRECTION/real` and `.../fake`, how much attention maps cover, `attention/DIRECTION`, and what
    `train.watch` asks for: `gradients/NETWORK`, `rho/NETWORK/LAYER`; means since the last line, `rho` as it is.
    seconds: that the training took so far. speed: pictures a second. picture: the grid of samples, RGB. file: of the
    checkpoint, its folder; of the picture, its PNG. results: of `measured` and `evaluated`, rows `{metric, direction,
    value, interval, unit, better, protocol}`; one that could not be measured has the value None. outcome: at `end`,
    `done`, `stopped` (a callback asked), `interrupted` or `failed`. method: the networks, for a callback that declares
    `changes_training`.
    """

    name: str
    run: Path
    recipe: Mapping[str, Any]
    step: int = 0
    total: int = 0
    epoch: int = 0
    losses: Mapping[str, float] = field(default_factory=dict)
    rates: Mapping[str, float] = field(default_factory=dict)
    augments: Mapping[str, float] = field(default_factory=dict)
    watched: Mapping[str, float] = field(default_factory=dict)
    seconds: float = 0.0
    speed: float = 0.0
    picture: Image.Image | None = None
    file: Path | None = None
    results: Sequence[Mapping[str, Any]] = ()
    outcome: str = ""
    method: Any = None

    @property
    def scalars(self) -> dict[str, float]:
        """The numbers of a line of the log, or of an evaluation, by the names that they have in every tracker."""
        named = {f"losses/{name}": value for name, value in self.losses.items()}
        named |= {f"lr/{name}": value for name, value in self.rates.items()}
        named |= {f"augments/{name}": value for name, value in self.augments.items()} | dict(self.watched)
        if self.name == "log":
            named["images_per_second"] = self.speed
        kind = "evaluation" if self.name == "evaluated" else self.name
        for row in self.results:
            if isinstance(row.get("value"), int | float):
                named["/".join((kind, tracked(row), str(row.get("direction") or "")))] = row["value"]
        return {name.rstrip("/"): float(value) for name, value in named.items()}


@dataclass(frozen=True)
class Stop:
    """What a callback that declares `may_stop` returns to end the training. reason: in words, for the user."""

    reason: str


@dataclass(frozen=True)
class Keep:
    """What a callback that declares `may_keep` returns to keep the networks of this step under a name of its own.

    name: of the folder beside the other checkpoints, which replaces one of that name; `--checkpoint NAME` uses it.
    reason: in words, for the user.
    """

    name: str
    reason: str = ""


class Callback:
    """Base of what listens to a training. Each method does nothing; override those that are to be heard.

    All are called only on the first process, between two steps. A callback changes no bit of the training: it is given
    copies, and the random state of Python, NumPy and torch, torch's default dtype and whether gradients are computed
    are put back when it returns. What it prints goes to stderr.

    One that raises costs a line on stderr and is not called again. One that declares `may_stop` or `changes_training`
    and raises ends the training, with its name.

    may_stop: whether a `Stop` that a method returns ends the training, at that step, which is saved. From `begin` it
    counts too: a callback that stays with its decision ends a resumed training where it would have ended.
    may_keep: whether a `Keep` that a method returns keeps a checkpoint. watches: the metric that `train.measure` must
    measure for it.
    changes_training: whether events bring the `method`, whose networks it may then change; its state and its arguments
    must be the same when a run is resumed.
    """

    may_stop: ClassVar[bool] = False
    may_keep: ClassVar[bool] = False
    watches: str | None = None
    changes_training: ClassVar[bool] = False

    def begin(self, event: Event) -> Stop | None:
        """Before the first step, or the first after a resume."""

    def step(self, event: Event) -> Stop | None:
        """After each step."""

    def log(self, event: Event) -> Stop | None:
        """When a line of metrics is written: every `train.log_every` steps and at the end."""

    def checkpoint(self, event: Event) -> Stop | None:
        """When a checkpoint is written. The state that it holds is of the moment before."""

    def sample(self, event: Event) -> Stop | None:
        """When a grid of samples is drawn."""

    def measured(self, event: Event) -> Stop | Keep | None:
        """When `train.measure` has measured the networks on pictures that they are not trained on."""

    def evaluated(self, event: Event) -> Stop | None:
        """When the run has been measured."""

    def end(self, event: Event) -> None:
        """When the training ends, in whatever way but a kill."""

    def state_dict(self) -> dict[str, Any]:
        """What a resumed training needs: mappings with text as keys, lists, tuples, numbers, text, None, tensors."""
        return {}

    def load_state_dict(self, state: Mapping[str, Any]) -> None:
        """Take over what `state_dict` gave, before `begin`."""
