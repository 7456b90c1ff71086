"""What the readers of other projects' files make, and what they share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from gankit.core.errors import CheckpointError
from gankit.interop.files import SUFFIXES, UnfitFile, read
from gankit.interop.keys import Imported, State, plain

Found = tuple[Path, State]
"""A network's weights and the file that they are from."""


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


def files_of(paths: Sequence[Path]) -> list[Path]:
    """Files of weights: those given, and those in folders that were given."""
    files = [
        file
        for path in paths
        for file in (sorted(p for p in path.iterdir() if p.suffix in SUFFIXES) if path.is_dir() else [path])
    ]
    if not files:
        raise UnfitFile(f"{', '.join(map(str, paths))}: no file of weights is in it ({', '.join(SUFFIXES)})")
    return files


def lone(file: Path) -> Found:
    """The weights of a file that holds one network."""
    states = read(file)
    if list(states) != [""]:
        raise UnfitFile(f"{file}: one network was expected, not {', '.join(list(states)[:6])}")
    return file, states[""]


def take(stored: Found, importer: Callable[[State], Imported]) -> Imported:
    """What an importer makes of a network; its refusals name the file."""
    path, state = stored
    try:
        return importer(plain(state))
    except (CheckpointError, ValueError) as e:
        raise UnfitFile(f"{path}: {e}") from e


def alike(fragments: Mapping[str, dict[str, Any]], states: Mapping[str, Found], *nets: str) -> None:
    """Raise UnfitFile unless the two networks, where both are there, are built in one way."""
    both = [net for net in nets if net in fragments]
    if len(both) == 2 and fragments[both[0]] != fragments[both[1]]:
        one, other = (f"{states[net][0]} is {fragments[net]}" for net in both)
        raise UnfitFile(f"the networks of both directions must be built alike, but {one} and {other}")


def missing(names: Sequence[str]) -> str:
    """The note on critics that were not given."""
    return f"{' and '.join(names)} not given: fresh weights, of no use but to train on."
