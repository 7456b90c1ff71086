"""A step's forward and backward passes recorded as CUDA graphs, and replayed: no launches, hence no waiting for them.

A step is a fixed row of pieces: the forward and backward of each turn, and what makes the fakes that a critic needs
first. What lies between them, the image pools, the optimizers, averages over processes, stays outside. After
`WARM_UP` plain steps on a side stream, one step records each piece instead of running it, and replays it at once. From
then on a piece is: copy its inputs into the buffers that were recorded, replay, hand out what was recorded.

The rules of torch for such recordings, and who keeps them: gradients are None before a recording, so that it makes
those that every replay fills again (`_Piece`); the memory of all pieces is one pool, for they are replayed in the order
of their recording; random numbers come from generators that torch seeds anew before a replay; nothing in a piece may
wait for the device or decide by its values, which torch refuses while it records.
"""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass, field
from typing import Any, Protocol

import torch
from torch import Tensor, nn

from gankit.core.errors import TrainingError
from gankit.kernels.choose import recorded

WARM_UP = 3
"""Plain steps of a kind before it is recorded."""
KEPT = 4
"""Kinds of step whose recordings are kept: turns that play every second step make two."""

Inputs = Mapping[str, Tensor]


class Replayable(Protocol):
    def replay(self) -> None: ...


class Recorder(Protocol):
    """What records: `Cuda`, or a test's stand-in."""

    def pool(self) -> Any:
        """Memory that several recordings share."""

    def warming(self) -> AbstractContextManager:
        """Where steps run before a recording."""
        ...

    def record(self, function: Callable[[], Any], pool: Any) -> tuple[Replayable, Any]:
        """Note what a function does, and do nothing of it yet; what it returned is filled by each replay."""
        ...


class Cuda:
    """torch's CUDA graphs."""

    def pool(self) -> Any:
        return torch.cuda.graph_pool_handle()

    @contextmanager
    def warming(self) -> Iterator[None]:
        side = torch.cuda.Stream()
        side.wait_stream(torch.cuda.current_stream())
        with torch.cuda.stream(side):
            yield
        torch.cuda.current_stream().wait_stream(side)

    def record(self, function: Callable[[], Any], pool: Any) -> tuple[Replayable, Any]:
        graph = torch.cuda.CUDAGraph()
        # the loader's thread may pin memory meanwhile: only what this thread does can spoil the recording
        with (
            torch.cuda.stream(torch.cuda.current_stream()),  # goes back to it, which a recording that fails does not
            torch.cuda.graph(graph, pool=pool, capture_error_mode="thread_local"),
        ):
            result = function()
        return graph, result


class RecordingError(TrainingError):
    """Torch refuses to record a piece of a step. The process's GPU state is then not fit to go on with, and the same
    piece would be refused again: the training stops, and goes without recordings when it is begun anew."""


@dataclass
class _Piece:
    """One recording: where its inputs go, what it fills."""

    graph: Replayable
    buffers: Inputs
    gradients: list[tuple[nn.Parameter, Tensor]]
    result: Any

    def take(self, inputs: Inputs) -> None:
        for name, buffer in self.buffers.items():
            buffer.copy_(inputs[name], non_blocking=True)

    def play(self) -> Any:
        """As autograd does, gradients are added to those that are there."""
        before = [None if p.grad is None else p.grad.clone() for p, _ in self.gradients]
        self.graph.replay()
        for (p, gradient), earlier in zip(self.gradients, before, strict=True):
            p.grad = gradient if earlier is None else gradient.add_(earlier)
        return self.result


@dataclass
class _Kind:
    """The recordings of one kind of step."""

    pool: Any
    steps: int = 0
    pieces: dict[Hashable, _Piece] = field(default_factory=dict)


class Graphs:
    """Plays the pieces of steps, recorded where they have been warmed up.

        with graphs.step(kind):  # kind: equal for steps that do the same on inputs of the same shapes
            losses = graphs.run("generator", forward_and_backward, inputs, parameters)

    Raises RecordingError, naming the piece, where torch refuses to record it.
    """

    def __init__(self, recorder: Recorder | None = None) -> None:
        self.recorder = recorder or Cuda()
        self._kinds: dict[Hashable, _Kind] = {}
        self._now: _Kind | None = None

    @contextmanager
    def step(self, kind: Hashable) -> Iterator[None]:
        """Within this, `run` plays pieces of a step of this kind, in the order that is always the same."""
        self._now = self._kinds.pop(kind, None) or _Kind(self.recorder.pool())
        while len(self._kinds) >= KEPT:
            del self._kinds[next(iter(self._kinds))]
        with recorded(), nullcontext() if self._recording else self.recorder.warming():
            yield
        self._now.steps += 1
        self._kinds[kind] = self._now  # the newest; a step that failed leaves nothing to go on from

    @property
    def _recording(self) -> bool:
        return self._now is not None and self._now.steps >= WARM_UP

    def run(
        self,
        name: str,
        function: Callable[[Inputs], Any],
        inputs: Inputs,
        parameters: Sequence[nn.Parameter] = (),
    ) -> Any:
        """What `function(inputs)` returns, and the gradients of the parameters that it adds to.

        The results of a recorded piece are filled anew when it is played again: clone what must outlive that.
        """
        if self._now is None or not self._recording:
            return function(inputs)
        key = name, tuple(t.shape for t in inputs.values())
        piece = self._now.pieces.get(key)
        if piece is None:  # its buffers hold the inputs: a copy would look to autograd as if they had changed
            piece = self._now.pieces[key] = self._record(name, function, inputs, parameters, self._now.pool)
        else:
            piece.take(inputs)
        return piece.play()

    def _record(
        self,
        name: str,
        function: Callable[[Inputs], Any],
        inputs: Inputs,
        parameters: Sequence[nn.Parameter],
        pool: Any,
    ) -> _Piece:
        buffers = {key: value.clone() for key, value in inputs.items()}
        for p in parameters:
            p.grad = None
        try:
            graph, result = self.recorder.record(lambda: function(buffers), pool)
        except Exception as error:  # it has run WARM_UP times: that it is recorded is what is new
            raise RecordingError(
                f"train.cuda_graph: {name} cannot be recorded: {_cause(error)}. Something in it waits for the GPU or "
                "decides by its values; set train.cuda_graph to false"
            ) from error
        gradients = [(p, p.grad) for p in parameters if p.grad is not None]
        for p in parameters:
            p.grad = None
        return _Piece(graph, buffers, gradients, result)


def _cause(error: BaseException) -> str:
    """The first line of what went wrong first: to end a recording that was spoilt is an error of its own."""
    while error.__cause__ or error.__context__:
        error = error.__cause__ or error.__context__ or error
    return next(filter(None, map(str.strip, str(error).splitlines())), type(error).__name__).rstrip(".")
