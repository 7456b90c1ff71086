"""Which figures of a metric are better."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

Better = Literal["higher", "lower", "one"]
"""Which figures are better; `one`: the nearer to 1."""
ARROWS: Mapping[str, str] = {"higher": "↑", "lower": "↓", "one": "→ 1"}


def merit(value: float, better: str) -> float:
    """The greater the better, whichever figures of a metric are better."""
    return value if better == "higher" else -value if better == "lower" else -abs(value - 1)
