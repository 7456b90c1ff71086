"""`--set losses.cam=null`: the recipe without that loss.

In a file the same is refused, for `cam:` may be a line that was never finished, and there the line can be left out.
"""

from __future__ import annotations

from collections.abc import Sequence

from gankit.core.document import Document, Option
from gankit.core.errors import Problem
from gankit.core.words import suggest


def losses(document: Document) -> list[str]:
    """The names of the losses that are written down."""
    there = document.root.child("losses")
    return [str(name) for name, _ in there.children()] if there else []


def drop(document: Document, known: Sequence[str]) -> list[Problem]:
    """Take out the losses that an option sets to null. known: those that were there before; what is wrong of others."""
    there = document.root.child("losses")
    if there is None or not isinstance(there.value, dict):
        return []
    problems = []
    for name in [name for name, node in there.value.items() if node.value is None and isinstance(node.origin, Option)]:
        if name not in known:
            near = suggest(name, known)
            hint = f"did you mean {near!r}?" if near else f"there are: {', '.join(known) or 'none'}"
            problems.append(document.problem(("losses", name), f"there is no such loss to leave out; {hint}"))
        del there.value[name]
    return problems
