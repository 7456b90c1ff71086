"""A comparison in words: the rows of its tables, and what to know when reading them."""

from __future__ import annotations

import math

from gankit.core.better import ARROWS
from gankit.report.compare import Comparison
from gankit.report.differences import in_words
from gankit.report.page import number


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
    told, why = [], comparison.pictures.why
    if shared := ", ".join(comparison.pictures.shared):
        told.append(f"Only figures of {shared} can be compared, and none of whole sets of pictures: {why}.")
    elif why:
        told.append(f"Nothing can be compared: {why}.")
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
