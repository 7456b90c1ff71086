"""What an optimizer and a schedule must do: lower an objective, give factors, and go on exactly from their state."""

from __future__ import annotations

import io
import math
from collections.abc import Callable, Iterator
from typing import Any

import torch
from torch import Tensor, nn

from gankit.contracts import OptimizerContract, ScheduleContract
from gankit.slots import Position
from gankit.testing.calls import require

SHAPES = ((4, 3), (3,), (2, 3, 3, 3), (2,))
"""A linear layer's weight and bias, a convolution's weight, and a parameter that never gets a gradient."""
TRAININGS = ((1, 1), (10, 1), (12, 4), (6, 6))
"""(steps, epochs)"""


def sample_parameters() -> list[nn.Parameter]:
    generator = torch.Generator().manual_seed(0)
    return [nn.Parameter(torch.randn(shape, generator=generator)) for shape in SHAPES]


def judge_optimizer(factory: Callable[..., Any]) -> None:
    """Raise AssertionError unless steps lower a small objective, and leave alone what gets no gradient."""
    params = sample_parameters()
    optimizer, idle = factory(params), params[-1].detach().clone()
    require(isinstance(optimizer, torch.optim.Optimizer), f"it makes a {type(optimizer).__name__}, no torch optimizer")
    before = _objective(params).item()
    _play(optimizer, params, 30)
    averaged = OptimizerContract(optimizer).averaged
    if averaged is None:
        after = _objective(params).item()
    else:
        trained = [p.detach().clone() for p in params]
        with averaged():
            after = _objective(params).item()
        kept = all(torch.equal(p, old) for p, old in zip(params, trained, strict=True))
        require(kept, "after `averaged` the parameters are not bit for bit what they were before")
    require(after < before, f"30 steps bring the objective from {before:.6g} to {after:.6g}, not down")
    require(torch.equal(params[-1], idle), "it changes a parameter that has no gradient")


def judge_optimizer_state(factory: Callable[..., Any]) -> None:
    """Raise AssertionError unless a new one goes on from a stored state to the same bits."""
    params = sample_parameters()
    one = factory(params)
    _play(one, params, 3)
    twins = [nn.Parameter(p.detach().clone()) for p in params]
    other = factory(twins)
    other.load_state_dict(_stored(one.state_dict()))
    _play(one, params, 3)
    _play(other, twins, 3)
    same = all(torch.equal(p, twin) for p, twin in zip(params, twins, strict=True))
    require(same, "a new one with the loaded state goes on to other bits")


def _objective(params: list[nn.Parameter]) -> Tensor:
    """Squares around 2, which curve from parameter to parameter; all but the last take part."""
    return torch.stack([(i + 1) * (p - 2).square().sum() for i, p in enumerate(params[:-1])]).sum()


def _play(optimizer: Any, params: list[nn.Parameter], steps: int) -> None:
    def closure() -> Tensor:
        optimizer.zero_grad()
        loss = _objective(params)
        loss.backward()
        return loss

    for _ in range(steps):
        if OptimizerContract(optimizer).searches:
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()


def judge_schedule(make: Callable[[], Any]) -> None:
    """Raise AssertionError unless its factors are finite, 0 or more, and the same when they are asked for again."""
    for steps, epochs in TRAININGS:
        schedule = make()
        for position in _positions(steps, epochs):
            _tell(schedule, position)
            value = schedule(position)
            fits = isinstance(value, int | float) and 0 <= value < math.inf
            require(fits, f"the factor at {position} is {value!r}, not a finite number of 0 or more")
            require(schedule(position) == value, f"at {position} it gives {value}, and asked again another factor")


def judge_schedule_state(make: Callable[[], Any]) -> None:
    """Raise AssertionError unless a new one goes on from the stored state of another with the same factors."""
    for steps, epochs in TRAININGS:
        one = make()
        for position in _positions(steps, epochs):
            other = make()
            ScheduleContract(other).load_state_dict(_stored(ScheduleContract(one).state_dict()))
            for schedule in (one, other):
                _tell(schedule, position)
            ours, theirs = one(position), other(position)
            require(ours == theirs, f"at {position} a new one with the loaded state gives {theirs} instead of {ours}")


def _positions(steps: int, epochs: int) -> Iterator[Position]:
    yield from (Position(step, step * epochs // steps, steps, epochs) for step in range(steps))


def _tell(schedule: Any, position: Position) -> None:
    """What it watches becomes better, then worse."""
    contract = ScheduleContract(schedule)
    if contract.watches and position.step:
        contract.hear({name: abs(position.step - 3.0) + 1 for name in contract.watches})


def _stored(state: Any) -> Any:
    """A state as a checkpoint gives it back. Raises AssertionError for what one cannot hold."""
    _require_storable(state, "the state dict")
    buffer = io.BytesIO()
    torch.save(state, buffer)
    buffer.seek(0)
    return torch.load(buffer, weights_only=True)


def _require_storable(value: Any, place: str) -> None:
    if isinstance(value, dict | list | tuple):
        for key, item in value.items() if isinstance(value, dict) else enumerate(value):
            _require_storable(item, f"{place}, {key!r}")
    elif value is not None and not isinstance(value, bool | int | float | str | Tensor):
        raise AssertionError(f"{place} is a {type(value).__name__}, which a checkpoint cannot hold")
