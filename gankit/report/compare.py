"""Runs beside one another: figures by metric and direction, and what differs in their recipes."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from gankit.core.better import ARROWS, merit
from gankit.core.errors import CheckpointError, DataError, RecipeError, dotted
from gankit.core.recipe import Recipe
from gankit.data.dataset import Dataset
from gankit.evaluation.evaluate import Loaded, samples_of
from gankit.report.differences import differing, in_words
from gankit.report.groups import OF_A_GROUP, Group, grouped, seeds_of
from gankit.report.measured import Measured, read_recipe, read_results, runs_of
from gankit.report.page import number
from gankit.report.showcase import measure_run
from gankit.training.assemble import open_dataset
from gankit.training.run import Run

OF_THE_RUN = {"weights_sha256", "device", "step", "ema", "seed"}
"""What a protocol tells of the run; all else must be equal where figures are compared. seed: that of the data, whose
pictures are compared instead."""
PICTURES = 4

Pair = tuple[Measured, Mapping[str, Any]]
"""A run and a row of its figures."""
Load = Callable[[Path], Loaded]
"""`gankit.load`, or what else gives the trained model of a run directory."""


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


@dataclass(frozen=True)
class Comparison:
    """Groups of runs, beside one another.

    differences: dotted key of the recipes -> the value in each group. pictures: why the groups were not measured on the
    same test pictures; empty where they were.
    """

    groups: Sequence[Group]
    differences: Mapping[str, Sequence[Any]]
    pictures: str
    lines: Sequence[Line] = field(default_factory=list)

    def as_dict(self) -> dict[str, Any]:
        """JSON-able: every figure with the interval of each of its runs."""
        labels = [group.label for group in self.groups]
        return {
            "groups": [
                {
                    "label": g.label,
                    "runs": [{"path": str(run.path), "seed": run.seed, "data_seed": run.data_seed} for run in g.runs],
                }
                for g in self.groups
            ],
            "differences": {key: dict(zip(labels, values, strict=True)) for key, values in self.differences.items()},
            "same_pictures": not self.pictures,
            "why_not": self.pictures or None,
            "results": [_line_dict(line) for line in self.lines],
        }


def compare(paths: Iterable[Path], load: Load) -> Comparison:
    """Compare runs, and every run in folders of runs; measures those that have no evaluation.json.

    Runs whose filled recipes differ only in `train.seed` and `data.seed` (and in what changes no trained network) are
    one group. Groups are compared if they were measured on the same test pictures: with several `data.seed`, all of
    them if each has the pictures of every one.
    Raises CheckpointError for what is no run, for fewer than two runs, and for a damaged file of one.
    """
    folders = list({run.resolve(): run for path in paths for run in runs_of(Path(path))}.values())
    if len(folders) < 2:
        there = f"there is only {folders[0]}" if folders else "there is none"
        raise CheckpointError(
            f"a comparison needs at least two runs, and {there}: name another run, or a folder of runs"
        )
    recipes = [(path, read_recipe(path)) for path in folders]  # before anything is measured, which may take long
    known = {path: read_results(path) for path in folders if Run(path).evaluation.exists()}
    known |= {path: _measure(path, load) for path in folders if path not in known}
    runs = [Measured(path, recipe, known[path]) for path, recipe in recipes]
    return _compared(grouped(runs))


def _measure(path: Path, load: Load) -> list[dict[str, Any]]:
    return measure_run(load(path)).as_dict()["results"]


# -- figures -----------------------------------------------------------------------------------------------------------
def _compared(groups: Sequence[Group]) -> Comparison:
    differences = _differences(groups)
    pictures = _other_pictures(groups, differences)
    keys = dict.fromkeys(_key(row) for group in groups for run in group.runs for row in run.results)
    return Comparison(groups, differences, pictures, [_line(key, groups, pictures) for key in keys])


def _differences(groups: Sequence[Group]) -> dict[str, list[Any]]:
    """The keys in which the recipes of groups differ; of `data.seed` all that a group has."""
    first = [group.runs[0].recipe for group in groups]
    found = {dotted(place): values for place, values in differing(first, free=OF_A_GROUP)}
    seeds = [sorted({run.data_seed for run in group.runs}) for group in groups]
    if any(one != seeds[0] for one in seeds):
        found["data.seed"] = [one[0] if len(one) == 1 else one for one in seeds]
    return found


def _key(row: Mapping[str, Any]) -> tuple[str, str, str]:
    return (row["metric"], row.get("label", ""), row["direction"])


def _line(key: tuple[str, str, str], groups: Sequence[Group], pictures: str) -> Line:
    pairs = {group.label: _pairs(key, group) for group in groups}
    cells = {group.label: _cell(pairs[group.label], len(group.runs)) for group in groups}
    rows = [row for found in pairs.values() for _, row in found]
    first = next((row for row in rows if row["value"] is not None), rows[0])
    common = (f"{key[0]} {key[1]}".strip(), key[2], first.get("unit", ""), first["better"], cells)
    with_figure = [group for group in groups if cells[group.label].value is not None]
    several = len(with_figure) > 1
    lacking = {frozenset(_drawings(group.runs) - _drawings(_known(pairs[group.label]))) for group in with_figure}
    if pictures and several:
        why = "other test pictures"
    elif several and len(lacking) > 1:
        why = "some groups lack the figure for some `data.seed`"
    else:
        why = _other_protocol(rows)
    if why:
        return Line(*common, trivial={}, why=why)
    trivial = _trivial([pair for found in pairs.values() for pair in found])
    return Line(*common, trivial, "", *(_ranked(cells, first["better"]) if several else ()))


def _pairs(key: tuple[str, str, str], group: Group) -> list[Pair]:
    return [(run, row) for run in group.runs for row in run.results if _key(row) == key]


def _known(pairs: Sequence[Pair]) -> list[Measured]:
    """The runs that have the figure."""
    return [run for run, row in pairs if row["value"] is not None]


def _drawings(runs: Iterable[Measured]) -> set[int]:
    return {run.data_seed for run in runs}


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


def _line_dict(line: Line) -> dict[str, Any]:
    def of_group(cell: Cell) -> dict[str, Any]:
        runs = [
            {"path": path, "value": row["value"], "interval": row["interval"], "protocol": row["protocol"]}
            | ({"unavailable": row["unavailable"]} if row.get("unavailable") else {})
            for path, row in cell.rows.items()
        ]
        return {"value": cell.value, "span": cell.span and list(cell.span), "runs": runs}

    return {
        "metric": line.metric,
        "direction": line.direction,
        "unit": line.unit,
        "better": line.better,
        "groups": {label: of_group(cell) for label, cell in line.cells.items()},
        "trivial": dict(line.trivial),
        "trivial_is_as_good": line.reached,
        "best": list(line.best),
        "apart": list(line.apart),
        "verdict": line.verdict,
    }


# -- in words ----------------------------------------------------------------------------------------------------------
def figure_rows(comparison: Comparison) -> list[list[str]]:
    """A head and a row for each metric and direction: the groups (the best with a star), the trivial answers, the
    verdict. Columns in which nothing stands are left out."""
    answers = list(dict.fromkeys(name for line in comparison.lines for name in line.trivial))
    groups = comparison.groups
    rows = [["metric", "direction", *(group.title for group in groups), *answers, "groups"]]
    for line in comparison.lines:
        arrow = ARROWS[line.better]
        name = " ".join(filter(None, (line.metric, f"({line.unit})" if line.unit else "", arrow)))
        cells = [f"{line.cells[g.label]}{' *' if g.label in line.best else ''}" for g in groups]
        trivial = [number(line.trivial[name]) if name in line.trivial else "-" for name in answers]
        rows.append([name, line.direction, *cells, *trivial, line.verdict])
    kept = [i for i in range(len(rows[0])) if i != 1 or any(row[i] for row in rows[1:])]
    return [[row[i] for i in kept if len(groups) > 1 or i < len(row) - 1] for row in rows]


def difference_rows(comparison: Comparison) -> list[list[str]]:
    """A head and a row for each key in which the recipes differ; empty where there is none."""
    rows = [[key, *map(in_words, values)] for key, values in comparison.differences.items()]
    return [["recipe", *(group.label for group in comparison.groups)], *rows] if rows else []


def notes(comparison: Comparison) -> list[str]:
    """What to know when reading the figures."""
    seeds = sorted(group.seeds for group in comparison.groups)
    told = []
    if comparison.pictures:
        told.append(f"Nothing can be compared: {comparison.pictures}.")
    told.append(
        "In brackets: the range over the seeds of a group, or the 95 % interval over test pictures of a single run."
    )
    if len(seeds) > 1:
        told[-1] += " * is the best value; groups differ where brackets do not overlap the best one's."
        if seeds[0] == 1:
            told.append("A single run says nothing about other seeds: train several to see the influence of chance.")
        else:
            chance = math.comb(seeds[0] + seeds[1], seeds[0]) // 2
            told.append(f"By mere chance, ranges of {seeds[0]} and {seeds[1]} seeds lie apart 1 time in {chance}.")
    if reached := [f"{line.metric} {line.direction}".strip() for line in comparison.lines if line.reached]:
        told.append(f"A trivial answer is as good as the best group: {', '.join(reached)}.")
    return told


# -- pictures ----------------------------------------------------------------------------------------------------------
def _other_pictures(groups: Sequence[Group], differences: Mapping[str, Sequence[Any]]) -> str:
    """Why the test pictures of the groups are not the same ones; empty where they are."""
    keys = [key for key in differences if key.startswith("data.")]
    if not keys:
        return ""
    told = "; ".join(f"{key} is {' and '.join(dict.fromkeys(map(in_words, differences[key])))}" for key in keys)
    try:
        first, *others = map(_opened, groups)
    except (DataError, RecipeError) as e:
        return f"{told}, and the data cannot be looked at: {e}"
    return "" if all(_same(first, other) for other in others) else f"the test pictures differ: {told}"


def _opened(group: Group) -> list[Dataset]:
    """The test pictures of each `data.seed` of a group."""
    runs = {run.data_seed: run for run in group.runs}
    return [open_dataset(Recipe.load(run.recipe, for_use=True)).split("test") for run in runs.values()]


def _same(ours: Sequence[Dataset], theirs: Sequence[Dataset]) -> bool:
    """Whether what is among the ones is among the others too."""
    return all(
        any(_equal(one, other) for other in there) for here, there in ((ours, theirs), (theirs, ours)) for one in here
    )


def _equal(ours: Dataset, theirs: Dataset) -> bool:
    """Whether two splits have as many pictures, and the first ones are the same to the bit."""
    return len(ours) == len(theirs) and all(
        one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)
        for one, other in zip(samples_of(ours, PICTURES), samples_of(theirs, PICTURES), strict=True)
    )
