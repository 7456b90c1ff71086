"""Places for the boxes of a directed graph: columns by depth, as few crossings as a few sweeps find.

The method of Sugiyama, Tagawa and Toda (1981): edges over several columns get a bend in each, columns are ordered by
the mean place of their neighbours, and then every box moves as near to its neighbours as order and spacing allow.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

SWEEPS = 12


@dataclass
class Box:
    """Something to place. The layout sets `column` and `y`, the middle."""

    key: str
    height: float
    column: int = 0
    y: float = 0.0
    before: list[Box] = field(default_factory=list, repr=False)
    after: list[Box] = field(default_factory=list, repr=False)


@dataclass
class Layout:
    """columns: boxes and bends from top to bottom. routes: (from, to) -> the boxes and bends between, ends included."""

    columns: list[list[Box]]
    routes: dict[tuple[str, str], list[Box]]

    @property
    def height(self) -> float:
        return max((box.y + box.height / 2 for column in self.columns for box in column), default=0.0)


def place(
    heights: Mapping[str, float], edges: Sequence[tuple[str, str]], last: Sequence[str] = (), gap: float = 18
) -> Layout:
    """Lay out a graph without cycles, from left to right.

    heights: of each box by key. edges: (from, to). last: keys that share the last column. gap: the least distance
    between boxes of a column. The top of the highest box is at y = 0.
    """
    boxes = {key: Box(key, height) for key, height in heights.items()}
    _columns(boxes, edges, last)
    columns: list[list[Box]] = [[] for _ in range(1 + max((b.column for b in boxes.values()), default=0))]
    for box in boxes.values():
        columns[box.column].append(box)
    routes = {edge: _route(boxes, edge, columns) for edge in dict.fromkeys(edges)}
    for sweep in range(SWEEPS):
        _order(columns if sweep % 2 == 0 else columns[::-1], forward=sweep % 2 == 0)
    for column in columns:
        _align(column, gap, [0.0] * len(column))
    for sweep in range(SWEEPS):
        for column in columns if sweep % 2 == 0 else columns[::-1]:
            _align(column, gap, [_mean([*box.before, *box.after], box.y) for box in column])
    top = min((box.y - box.height / 2 for column in columns for box in column), default=0.0)
    for column in columns:
        for box in column:
            box.y -= top
    return Layout(columns, routes)


def _columns(boxes: Mapping[str, Box], edges: Sequence[tuple[str, str]], last: Sequence[str]) -> None:
    """The column of a box is the longest way to it."""
    for _ in boxes:
        for start, end in edges:
            boxes[end].column = max(boxes[end].column, boxes[start].column + 1)
    end = max((box.column for box in boxes.values()), default=0)
    for key in last:
        boxes[key].column = end


def _route(boxes: Mapping[str, Box], edge: tuple[str, str], columns: list[list[Box]]) -> list[Box]:
    start, end = boxes[edge[0]], boxes[edge[1]]
    bends = [Box(f"{edge[0]}>{edge[1]}", 4, column) for column in range(start.column + 1, end.column)]
    route = [start, *bends, end]
    for bend in bends:
        columns[bend.column].append(bend)
    for one, other in pairwise(route):
        one.after.append(other)
        other.before.append(one)
    return route


def _order(columns: list[list[Box]], forward: bool) -> None:
    """Sort each column by the mean place of its neighbours in the column before it."""
    for column in columns:
        places = {id(box): i for other in columns for i, box in enumerate(other)}
        means = {}
        for i, box in enumerate(column):
            neighbours = [places[id(n)] for n in (box.before if forward else box.after)]
            means[id(box)] = sum(neighbours) / len(neighbours) if neighbours else float(i)
        column.sort(key=lambda box: means[id(box)])


def _align(column: list[Box], gap: float, wanted: Sequence[float]) -> None:
    """The places nearest to the wanted ones (least squares) that keep order and distance: pool adjacent violators."""
    offsets = [0.0]
    for above, below in pairwise(column):
        offsets.append(offsets[-1] + (above.height + below.height) / 2 + gap)
    pools: list[list[float]] = []  # [sum, count]
    for want, offset in zip(wanted, offsets, strict=False):
        pools.append([want - offset, 1])
        while len(pools) > 1 and pools[-2][0] / pools[-2][1] >= pools[-1][0] / pools[-1][1]:
            total, count = pools.pop()
            pools[-1] = [pools[-1][0] + total, pools[-1][1] + count]
    means = [total / count for total, count in pools for _ in range(int(count))]
    for box, mean, offset in zip(column, means, offsets, strict=False):
        box.y = mean + offset


def _mean(boxes: Sequence[Box], default: float) -> float:
    return sum(box.y for box in boxes) / len(boxes) if boxes else default
