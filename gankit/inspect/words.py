"""Numbers as people read them."""

from __future__ import annotations

from collections.abc import Sequence


def count_in_words(count: float) -> str:
    """11378179 -> '11.4 M'."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M"), (1e3, "k")):
        if count >= size:
            return f"{count / size:.{2 - min(2, len(str(int(count / size))) - 1)}f} {letter}"
    return str(int(count))


def bytes_in_words(count: float) -> str:
    """1132462080 -> '1.05 GB', in powers of 1024."""
    for power, unit in ((3, "GB"), (2, "MB"), (1, "kB")):
        if count >= 1024**power:
            value = count / 1024**power
            return f"{value:.{2 - min(2, len(str(int(value))) - 1)}f} {unit}"
    return f"{int(count)} B"


def shape_in_words(shape: Sequence[int]) -> str:
    """(3, 256, 256) -> '3 x 256 x 256', with the sign of multiplication."""
    return " \N{MULTIPLICATION SIGN} ".join(map(str, shape)) if shape else "scalar"
