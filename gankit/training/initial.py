"""A new training that begins with the networks of another run: fine-tuning."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

from gankit.core.errors import CheckpointError
from gankit.methods.base import Method

SHOWN = 3


def begin_from(method: Method, given: Mapping[str, Tensor], source: str) -> list[str]:
    """Give the networks of a method the weights of another run's, by `role_direction`; returns those left fresh.

    given: the state dict of the other method's networks. source: where it is from, for the messages. Critics may be
    missing there, as in runs that were imported.

    Raises CheckpointError, and changes nothing, when a network that makes pictures is missing, or one differs in its
    names or sizes.
    """
    parts = {key: _of(given, key) for key in method.networks}
    makers = [key for turn in method.turns() if turn.side == "generator" for key in method.trained_by(turn)]
    if absent := [key for key in makers if not parts[key] and any(True for _ in method.networks[key].parameters())]:
        known = ", ".join(sorted({key.split(".", 1)[0] for key in given}))
        raise CheckpointError(f"{source} has no {' and no '.join(absent)} to begin from; it has {known}")
    if faults := [fault for key, state in parts.items() if state for fault in _faults(method, key, state)]:
        more = f", and {len(faults) - SHOWN} more" if len(faults) > SHOWN else ""
        raise CheckpointError(
            f"the networks of {source} are not those of this recipe: {'; '.join(faults[:SHOWN])}{more}. "
            "Give the recipe the same method.generator and method.discriminator"
        )
    for key, state in parts.items():
        if state:
            method.networks[key].load_state_dict(state)
    return [key for key, state in parts.items() if not state]


def _of(given: Mapping[str, Tensor], network: str) -> dict[str, Tensor]:
    prefix = f"{network}."
    return {key.removeprefix(prefix): value for key, value in given.items() if key.startswith(prefix)}


def _faults(method: Method, network: str, state: Mapping[str, Tensor]) -> list[str]:
    ours = method.networks[network].state_dict()
    faults = [f"{network}.{key} is missing" for key in ours.keys() - state.keys()]
    faults += [f"{network}.{key} is unknown here" for key in state.keys() - ours.keys()]
    faults += [
        f"{network}.{key} is {tuple(state[key].shape)} there and {tuple(ours[key].shape)} here"
        for key in ours.keys() & state.keys()
        if ours[key].shape != state[key].shape
    ]
    return sorted(faults)
