"""In what filled recipes differ, and how to say it shortly."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from typing import Any

from gankit.training.run import MAY_CHANGE

LENGTH = {("train", "epochs"), ("train", "steps")}
FREE = (MAY_CHANGE - LENGTH) | {("train", "seed"), ("gankit",), ("plugins",)}
"""In what recipes may differ that train the same: no bit of a trained network depends on it, but for the seed."""
WIDTH = 40
Place = tuple[str, ...]


def differing(
    recipes: Sequence[Any], place: Place = (), free: Collection[Place] = FREE
) -> Iterator[tuple[Place, list[Any]]]:
    """(path, the value of each) wherever filled recipes differ in more than `free`; None for what one does not have.

    Of parts of different types the type is told, and what all of them take.
    """
    if place in free:
        return
    if all(isinstance(value, Mapping) for value in recipes):
        keys = dict.fromkeys(key for value in recipes for key in value)
        if len({value.get("type") for value in recipes}) > 1:
            keys = [key for key in keys if key == "type" or all(key in value for value in recipes)]
        for key in keys:
            yield from differing([value.get(key) for value in recipes], (*place, key), free)
    elif any(value != recipes[0] for value in recipes):
        yield place, list(recipes)


def in_words(value: Any, width: int = WIDTH) -> str:
    """A value of a recipe on a short line, about as it stands in YAML."""
    if isinstance(value, Mapping):
        text = "{" + ", ".join(f"{key}: {in_words(item, width)}" for key, item in value.items()) + "}"
    elif isinstance(value, list | tuple):
        text = f"[{', '.join(in_words(item, width) for item in value)}]"
    else:
        text = value.removeprefix("gankit/") if isinstance(value, str) else json.dumps(value)
    return text if len(text) <= width else text[: width - 3] + "..."


def tails(keys: Iterable[str]) -> dict[str, str]:
    """Dotted keys -> their shortest ends that no two of them share."""
    keys = list(keys)

    def tail(key: str, length: int) -> str:
        return ".".join(key.split(".")[-length:])

    def alone(key: str, length: int) -> bool:
        return [tail(other, length) for other in keys].count(tail(key, length)) == 1

    return {key: next((tail(key, n) for n in range(1, key.count(".") + 1) if alone(key, n)), key) for key in keys}
