"""The page of a comparison: tables, curves of all groups over one another, the same pictures of all."""

from __future__ import annotations

import io
from collections import defaultdict
from collections.abc import Mapping, Sequence
from html import escape
from pathlib import Path

from torch import Tensor

from gankit.core.errors import GankitError
from gankit.core.files import write_whole
from gankit.evaluation.evaluate import Loaded
from gankit.report.compare import Comparison, Load
from gankit.report.compare_words import difference_rows, figure_rows, notes
from gankit.report.curves import Point, line_chart, loss_curves, measured_curves, read_log, watched_curves
from gankit.report.grids import sample_grid
from gankit.report.groups import Group
from gankit.report.page import document, image
from gankit.report.same_pictures import PICTURES
from gankit.report.showcase import given, translated
from gankit.training.run import Run

NARROW = 18
"""Letters that fit above a picture of a grid."""
TAKEN = {"direction", "source", "hole", "label", "segmentation", "attention", "truth"}
"""What columns of a grid are called otherwise."""

Rows = dict[tuple[str, int], dict[str, dict[str, Tensor | str]]]
"""(direction, number of the picture) -> inputs, outputs by group, truth."""


def write(comparison: Comparison, path: Path, load: Load) -> None:
    """Write the page, whole or not at all. Raises GankitError when it cannot be written."""
    write_whole(path, html(comparison, load))


def html(comparison: Comparison, load: Load) -> str:
    """The page as text. load: see `gankit.report.compare`."""
    labels = [group.label for group in comparison.groups]
    sections = [
        ("Figures", _table(figure_rows(comparison)) + "".join(map(_soft, notes(comparison)))),
        ("Differences of the recipes", _table(difference_rows(comparison)) or _soft("The recipes are the same.")),
        ("Runs", _table([["group", "train.seed", "data.seed", "run"], *_run_rows(comparison)])),
        ("Curves", _curves(comparison.groups)),
        ("The same test pictures", _pictures(comparison, load)),
    ]
    return document(" · ".join(labels), _soft(f"A comparison of {len(labels)} recipes."), sections)


def _table(rows: Sequence[Sequence[str]]) -> str:
    """With the cells of stars in bold."""

    def cell(text: str) -> str:
        return f"<td>{f'<b>{escape(text)}</b>' if text.endswith(' *') else escape(text)}</td>"

    if not rows:
        return ""
    head = "".join(f"<th>{escape(text)}</th>" for text in rows[0])
    body = "".join(f"<tr>{''.join(map(cell, row))}</tr>" for row in rows[1:])
    return f'<div class="table"><table><tr>{head}</tr>{body}</table></div>'


def _soft(text: str) -> str:
    return f'<p class="soft">{escape(text)}</p>'


def _run_rows(comparison: Comparison) -> list[list[str]]:
    return [
        [group.label, str(run.seed), str(run.data_seed), str(run.path)]
        for group in comparison.groups
        for run in group.runs
    ]


def _curves(groups: Sequence[Group]) -> str:
    """A chart for each loss, metric and direction, and for what is watched; a line for each group."""
    charts: dict[str, dict[str, list[Point]]] = defaultdict(lambda: defaultdict(list))
    for group in groups:
        for run in group.runs:
            log = read_log(Run(run.path).metrics)
            named = {f"measured: {name}": lines for name, lines in measured_curves(log).items()}
            named |= loss_curves(log) | watched_curves(log)
            for name, lines in named.items():
                for way, points in lines.items():
                    charts[f"{name}/{way}" if way else name][group.label] += points
    drawn = [chart for name, lines in charts.items() if (chart := line_chart(name, lines))]
    if not drawn:
        return _soft("Nothing is logged in any metrics.jsonl.")
    note = "By step; the line is the mean of neighbouring steps and of seeds, the band their range."
    return f'{_soft(note)}<div class="charts">{"".join(drawn)}</div>'


def _pictures(comparison: Comparison, load: Load) -> str:
    """The first test pictures, translated by the first run of each group; or a line that says why there are none."""
    why, shared = comparison.pictures.why, comparison.pictures.shared
    if why and not shared:
        return _soft(f"There is no grid: {why}.")
    names = _names([group.label for group in comparison.groups])
    rows: Rows = defaultdict(dict)
    try:
        for group in comparison.groups:
            _translate(load(group.runs[0].path), names[group.label], rows)
    except GankitError as e:
        return _soft(f"There is no grid: {e}.")
    rows = {(way, i): row for (way, i), row in rows.items() if not comparison.pictures.apart(way)}
    if not rows:
        return _soft("There is no grid: no run translates its test pictures.")
    png = io.BytesIO()
    sample_grid([_ordered(way, row) for (way, _), row in sorted(rows.items())]).save(png, "PNG")
    without = [label for label, name in names.items() if not any(name in row["outputs"] for row in rows.values())]
    note = _soft(f"No picture is translated by {', '.join(without)}.") if without else ""
    made_by = [(names[group.label], group.label, str(group.runs[0].path)) for group in comparison.groups]
    told = "; ".join(" ".join(dict.fromkeys((name, label, f"by {path}"))) for name, label, path in made_by)
    return f'{note}<div class="samples">{image(png.getvalue(), f"Translated: {told}")}</div>'


def _names(labels: Sequence[str]) -> dict[str, str]:
    """Labels that fit above a column; letters where one does not."""
    if all(len(label) <= NARROW for label in labels) and not TAKEN & set(labels):
        return {label: label for label in labels}
    return {label: chr(ord("A") + i) if i < 26 else str(i + 1) for i, label in enumerate(labels)}


def _translate(model: Loaded, name: str, rows: Rows) -> None:
    """Put what a model makes of the first test pictures under its name, and beside it source and truth."""
    if model.method.draws or model.method.untranslatable:
        return
    numbers: dict[str, int] = defaultdict(int)
    for made in translated(model.method, model.dataset("test"), PICTURES):
        way = str(made["direction"])
        row, numbers[way] = rows[way, numbers[way]], numbers[way] + 1
        row["inputs"] = row.get("inputs", {}) | given(made)
        row["outputs"] = row.get("outputs", {}) | {name: made["output"]}
        row["truth"] = row.get("truth", {}) | {key: made[key] for key in ("truth",) if key in made}


def _ordered(way: str, row: Mapping[str, dict[str, Tensor | str]]) -> dict[str, Tensor | str]:
    """A row of `sample_grid`: the inputs, the outputs, the truth."""
    return {"direction": way} | row["inputs"] | row["outputs"] | row["truth"]
