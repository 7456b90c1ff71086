"""The figures of groups of runs, by metric and direction: what stands beside what, and whether it differs."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from statistics import fmean
from typing import Any

from gankit.core.better import merit
from gankit.report.differences import in_words
from gankit.report.groups import Group, seeds_of
from gankit.report.measured import Measured
from gankit.report.page import number
from gankit.report.same_pictures import Pictures

OF_THE_RUN = {"weights_sha256", "device", "step", "ema", "seed"}
"""What a protocol tells of the run; all else must be equal where figures are compared. seed: that of the data, whose
pictures are compared instead."""

Key = tuple[str, str, str]
"""Metric, label and direction of a figure."""
Pair = tuple[Measured, Mapping[str, Any]]
"""A run and a row of its figures."""


@dataclass(frozen=True)
class Cell:
    """A figure of a group: the mean over its runs. span: the range over seeds, or the 95 % interval of a single one.

    rows: of each run that has the figure, as in evaluation.json.
    """

    value: float | None
    span: tuple[float, float] | None
    rows: Mapping[str, Mapping[str, Any]]
    of: int

    def __str__(self) -> str:
        if self.value is None:
            return "unavailable" if self.rows else "-"
        span = f" ({number(self.span[0])} to {number(self.span[1])})" if self.span else ""
        known = sum(row["value"] is not None for row in self.rows.values())
        return f"{number(self.value)}{span}" + (f", {known} of {self.of} runs" if known < self.of else "")


@dataclass(frozen=True)
class Line:
    """A metric in a direction, of all groups. why: for what reason nothing is compared; empty where it is.

    best: the groups of the best value. apart: those whose span does not overlap that of the best one.
    """

    metric: str
    direction: str
    unit: str
    better: str
    cells: Mapping[str, Cell]
    trivial: Mapping[str, float | None]
    why: str = ""
    best: tuple[str, ...] = ()
    apart: tuple[str, ...] = ()

    @property
    def verdict(self) -> str:
        others = [label for label, cell in self.cells.items() if cell.value is not None and label not in self.best]
        if self.why or not self.best:
            return f"not compared: {self.why}" if self.why else "-"
        if not self.apart:
            return "no difference shown"
        return "differ" if len(self.apart) == len(others) else f"differs from {', '.join(self.apart)}"

    @property
    def reached(self) -> bool:
        """Whether a trivial answer is as good as the best group."""
        values = [cell.value for cell in self.cells.values() if cell.value is not None]
        trivial = [value for value in self.trivial.values() if value is not None]
        if not values or not trivial:
            return False
        return max(merit(value, self.better) for value in trivial) >= max(merit(value, self.better) for value in values)

    def as_dict(self) -> dict[str, Any]:
        def of_group(cell: Cell) -> dict[str, Any]:
            runs = [
                {"path": path, "value": row["value"], "interval": row["interval"], "protocol": row["protocol"]}
                | ({"unavailable": row["unavailable"]} if row.get("unavailable") else {})
                for path, row in cell.rows.items()
            ]
            return {"value": cell.value, "span": cell.span and list(cell.span), "runs": runs}

        return {
            "metric": self.metric,
            "direction": self.direction,
            "unit": self.unit,
            "better": self.better,
            "groups": {label: of_group(cell) for label, cell in self.cells.items()},
            "trivial": dict(self.trivial),
            "trivial_is_as_good": self.reached,
            "best": list(self.best),
            "apart": list(self.apart),
            "verdict": self.verdict,
        }


def key_of(row: Mapping[str, Any]) -> Key:
    return (row["metric"], row.get("label", ""), row["direction"])


def line_of(key: Key, groups: Sequence[Group], pictures: Pictures) -> Line:
    """The figures of all groups. pictures: whether these were measured on the same ones."""
    pairs = {group.label: _pairs(key, group) for group in groups}
    cells = {group.label: _cell(pairs[group.label], len(group.runs)) for group in groups}
    rows = [row for found in pairs.values() for _, row in found]
    first = next((row for row in rows if row["value"] is not None), rows[0])
    common = (f"{key[0]} {key[1]}".strip(), key[2], first.get("unit", ""), first["better"], cells)
    with_figure = [group for group in groups if cells[group.label].value is not None]
    several = len(with_figure) > 1
    lacking = {frozenset(_drawings(group.runs) - _drawings(_known(pairs[group.label]))) for group in with_figure}
    of_sets = any("n_reference" in row["protocol"] for row in rows)
    if several and (pictures.why if of_sets else pictures.apart(key[2])):
        why = "other test pictures"
    elif several and len(lacking) > 1:
        why = "some groups lack the figure for some `data.seed`"
    elif not _trivial_answers_agree([pair for found in pairs.values() for pair in found]):
        why = "other sources or truths"
    else:
        why = _other_protocol(rows)
    if why:
        return Line(*common, trivial={}, why=why)
    trivial = _trivial([pair for found in pairs.values() for pair in found])
    return Line(*common, trivial, "", *(_ranked(cells, first["better"]) if several else ()))


def _pairs(key: Key, group: Group) -> list[Pair]:
    return [(run, row) for run in group.runs for row in run.results if key_of(row) == key]


def _known(pairs: Sequence[Pair]) -> list[Measured]:
    """The runs that have the figure."""
    return [run for run, row in pairs if row["value"] is not None]


def _drawings(runs: Iterable[Measured]) -> set[int]:
    return {run.data_seed for run in runs}


def _trivial_answers_agree(pairs: Sequence[Pair]) -> bool:
    """Whether runs of one `data.seed` have the same answers that need no training, for the truth of some methods is
    their own: that of inpainting is the picture itself."""
    first: dict[tuple[int, str], float] = {}
    for run, row in pairs:
        for name, value in (row.get("trivial") or {}).items():
            if value is not None:
                before = first.setdefault((run.data_seed, name), value)
                if not math.isclose(value, before, rel_tol=1e-3, abs_tol=1e-6):
                    return False
    return True


def _trivial(pairs: Sequence[Pair]) -> dict[str, float | None]:
    """The trivial answers: those of each `data.seed`, and the means over these."""
    by_drawing: dict[int, dict[str, float]] = defaultdict(dict)
    names: dict[str, None] = {}
    for run, row in pairs:
        if row["value"] is not None:
            told = row.get("trivial") or {}
            names |= dict.fromkeys(told)
            by_drawing[run.data_seed] |= {name: value for name, value in told.items() if value is not None}
    values = {name: [one.get(name) for one in by_drawing.values()] for name in names}
    return {name: None if None in found else fmean(x for x in found if x is not None) for name, found in values.items()}


def _cell(pairs: Sequence[Pair], of: int) -> Cell:
    rows = {str(run.path): row for run, row in pairs}
    values = {(seeds_of(run), row["value"]) for run, row in pairs if row["value"] is not None}
    if not values:
        return Cell(None, None, rows, of)
    by_drawing: dict[int, list[float]] = defaultdict(list)
    for (drawing, _), value in sorted(values):
        by_drawing[drawing].append(value)
    mean = fmean(map(fmean, by_drawing.values()))  # so that each drawing counts once, however many runs it has
    numbers = [value for _, value in values]
    if len({seed for seed, _ in values}) > 1:
        return Cell(mean, (min(numbers), max(numbers)), rows, of)
    ends = [end for _, row in pairs if row["interval"] for end in row["interval"] if end is not None]
    return Cell(mean, (min(ends), max(ends)) if ends else None, rows, of)


def _ranked(cells: Mapping[str, Cell], better: str) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The best groups, and those whose span lies apart from that of the best."""
    values = {label: cell.value for label, cell in cells.items() if cell.value is not None}
    merits = {label: merit(value, better) for label, value in values.items()}
    best = tuple(label for label in values if merits[label] == max(merits.values()))
    span = cells[best[0]].span
    apart = [
        label
        for label in values
        if label not in best and span and (other := cells[label].span) and (other[0] > span[1] or other[1] < span[0])
    ]
    return best, tuple(apart)


def _other_protocol(rows: Sequence[Mapping[str, Any]]) -> str:
    """In what the protocols of figures differ, but for what they tell of the run."""
    known = [row["protocol"] for row in rows if row["value"] is not None]
    for name in dict.fromkeys(name for protocol in known for name in protocol if name not in OF_THE_RUN):
        values = [protocol.get(name) for protocol in known]
        if any(value != values[0] for value in values):
            return f"{name.replace('_', ' ')} is {' and '.join(dict.fromkeys(map(in_words, values)))}"
    return ""
