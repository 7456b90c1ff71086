"""The forward and backward passes of a step's turns: plain, compiled, or recorded on the GPU."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any, cast

import torch
from torch import Tensor, nn

from gankit.core.errors import BuildError
from gankit.methods.base import Method
from gankit.methods.turns import TurnModule, made_alone
from gankit.training.compiled import Compiled
from gankit.training.devices import Devices
from gankit.training.graphs import Graphs
from gankit.training.speed import Speed

Batch = Mapping[str, Tensor]


class Passes:
    """Runs the passes of a method's turns as `speed` and `devices` say.

    Raises BuildError, at `train.cuda_graph`, where they cannot be recorded.
    """

    def __init__(
        self, method: Method, turns: Sequence[TurnModule], speed: Speed, devices: Devices, scaler: torch.amp.GradScaler
    ) -> None:
        self.method, self.devices, self.scaler = method, devices, scaler
        for turn in turns:
            turn.checkpoint_activations = speed.checkpoint_activations
            if speed.join_calls:
                turn.join_calls()
        losses = (p for turn in turns for p in turn.losses.parameters())
        every = list(dict.fromkeys([*method.parameters(), *losses]))
        self._own = {turn.turn.name: turn.parameters_trained() for turn in turns}
        self._others = {name: _without(every, own) for name, own in self._own.items()}
        self._every = every
        self.forward: dict[str, Callable[..., Any]] = {turn.turn.name: turn for turn in turns}
        self._ahead: dict[str, Callable[..., Any]] = {turn.turn.name: turn.ahead for turn in turns}
        if speed.compile:
            for kind, functions in (("the turn", self.forward), ("the forward ahead of the turn", self._ahead)):
                functions |= {name: Compiled(function, f"{kind} {name}") for name, function in functions.items()}
        if speed.cuda_graph:
            _refuse_recording(method, turns, speed, devices)
        self.graphs = Graphs() if speed.cuda_graph else None

    def step(self, batches: Sequence[Batch], due: Sequence[TurnModule], step: int) -> AbstractContextManager:
        """Within this, the turns that are due are played on these batches."""
        return self.graphs.step(self._kind(batches, due, step)) if self.graphs else nullcontext()

    def _kind(self, batches: Sequence[Batch], due: Sequence[TurnModule], step: int) -> Hashable:
        """All on which it depends what a step does, but for the numbers."""
        return (
            tuple((name, x.shape, x.dtype) for batch in batches for name, x in batch.items()),
            tuple((turn.turn.name, turn.phase(step)) for turn in due),
            self.method.phase,
            self.method.training,
            tuple(p.requires_grad for p in self._every),
        )

    @contextmanager
    def learning(self, turn: TurnModule) -> Iterator[list[nn.Parameter]]:
        """The parameters that a turn changes. Within this no others ask for a gradient, so that no backward pass, not a
        compiled one either, computes any for them."""
        paused = [p for p in self._others[turn.turn.name] if p.requires_grad]
        for p in paused:
            p.requires_grad_(False)
        try:
            yield [p for p in self._own[turn.turn.name] if p.requires_grad]
        finally:
            for p in paused:
                p.requires_grad_(True)

    def ahead(self, turn: TurnModule, batch: Batch) -> dict[str, Any]:
        """The forward of a generators' turn, as far as critics need it: its values are given to that turn later."""

        def function(batch: Batch) -> dict[str, Any]:
            with self.devices.autocast():
                return self._ahead[turn.turn.name](batch)

        with self.learning(turn):
            return self._run(f"the forward ahead of the turn {turn.turn.name}", function, batch)

    @torch.no_grad()
    def fakes(self, critic: TurnModule, batch: Batch) -> dict[str, Tensor]:
        """What a critic needs of the generators' forward, made for it alone; of one direction from the same draws."""

        def function(batch: Batch) -> dict[str, Tensor]:
            with self.devices.autocast():
                return made_alone(self.method, critic.needs, batch)

        return self._run(f"the fakes of the turn {critic.turn.name}", function, batch)

    def gradient(
        self,
        turn: TurnModule,
        batch: Batch,
        fakes: Mapping[str, Tensor],
        ahead: Mapping[str, Any],
        phase: int,
        share: int,
        parameters: Sequence[nn.Parameter],
        record: bool = True,
    ) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
        """Add the gradient of a turn's losses, divided by `share`, to the parameters.

        fakes: what a critic is shown. ahead: what `ahead` made. record: false for passes that are not those of every
        step. Returns the losses and what critics said, divided too, and the carried values, all detached.
        """

        def function(inputs: Mapping[str, Tensor]) -> tuple[dict[str, Tensor], dict[str, Tensor]]:
            batch = {key.removeprefix("batch:"): x for key, x in inputs.items() if key.startswith("batch:")}
            carried = {key: x for key, x in inputs.items() if not key.startswith("batch:")}
            forward = turn if turn.differentiates_twice(phase) else self.forward[turn.turn.name]
            with self.devices.autocast():
                losses, values = forward(batch, turn.constants() | carried | dict(ahead), phase)
                total = cast(Tensor, sum(losses.values())) / share
            if losses:
                self.scaler.scale(total).backward(inputs=list(parameters))
            seen = {key: value.detach().float() / share for key, value in losses.items()}
            said = {name: values[name] / share for name in turn.said}
            return seen, {key: value.detach() for key, value in values.items()} | said

        inputs = {f"batch:{key}": x for key, x in batch.items()} | dict(fakes)
        if not record:
            return function(inputs)
        return self._run(f"the turn {turn.turn.name}", function, inputs, parameters)

    def _run(
        self, name: str, function: Callable[[Any], Any], inputs: Mapping[str, Tensor], parameters: Any = ()
    ) -> Any:
        return self.graphs.run(name, function, inputs, parameters) if self.graphs else function(inputs)


def _refuse_recording(method: Method, turns: Sequence[TurnModule], speed: Speed, devices: Devices) -> None:
    own = type(method)
    decisions = sorted({key.partition("@")[0] for turn in turns for key in turn.decisions})
    why = None
    if devices.device.type != "cuda":
        why = f"only a CUDA device records its work, and this is {devices.device.type}"
    elif speed.checkpoint_activations:
        why = (
            "what is recorded cannot keep the random state that train.checkpoint_activations needs: use one of the two"
        )
    elif decisions:
        why = f"{own.__name__} decides in each step by {' and '.join(decisions)}, which a recording would fix"
    elif own.set_epoch is not Method.set_epoch and own.phase is Method.phase:
        why = f"{own.__name__} changes with the epoch (`set_epoch`) and does not say how (`phase`)"
    if why:
        raise BuildError(("train", "cuda_graph"), why)


def _without(parameters: list[nn.Parameter], some: list[nn.Parameter]) -> list[nn.Parameter]:
    left_out = {id(p) for p in some}
    return [p for p in parameters if id(p) not in left_out]
