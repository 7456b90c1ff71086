"""Words that were meant, for messages."""

from __future__ import annotations

import difflib
from collections.abc import Iterable


def article(noun: str) -> str:
    """`an optimizer`, `a norm`."""
    return f"{'an' if noun[0] in 'aeiou' else 'a'} {noun}"


def suggest(name: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    near = difflib.get_close_matches(name, list(known), 1, cutoff)
    return near[0] if near else None
