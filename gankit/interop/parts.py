"""What the readers of other projects' files make, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from gankit.core.errors import CheckpointError
from gankit.interop.files import Found, UnfitFile
from gankit.interop.keys import Imported, State, foreign, plain


@dataclass
class Parts:
    """What was found: a recipe's method, and weights by `role_direction`; `notes` says what was not there.

    base: the shipped recipe that has the losses, the pictures and the training of these networks. sets: its changes.
    of_base: whether the networks are of its paper.
    """

    base: str
    method: dict[str, Any]
    weights: dict[str, State] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)
    sets: list[str] = field(default_factory=list)
    of_base: bool = True


def take(stored: Found, importer: Callable[[State], Imported]) -> Imported:
    """What an importer makes of a network; its refusals name the file, and whose weights these look like instead."""
    path, state = stored
    try:
        return importer(plain(state))
    except (CheckpointError, ValueError) as e:
        raise UnfitFile(f"{path}: {e}{foreign(plain(state), str(e))}") from e


def alike(fragments: Mapping[str, dict[str, Any]], states: Mapping[str, Found], *nets: str) -> None:
    """Raise UnfitFile unless the two networks, where both are there, are built in one way."""
    both = [net for net in nets if net in fragments]
    if len(both) == 2 and fragments[both[0]] != fragments[both[1]]:
        one, other = (f"{states[net][0]} is {fragments[net]}" for net in both)
        raise UnfitFile(f"the networks of both directions must be built alike, but {one} and {other}")


def missing(names: Sequence[str]) -> str:
    """The note on critics that were not given."""
    return f"{' and '.join(names)} not given: fresh weights, useful only for further training."
