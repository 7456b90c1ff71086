"""What was learned: the figures of finished trainings, kept beside the code, and the tables that are made of them.

Trainings take hours, so they are made on several machines and days; each leaves its figures in
`benchmarks/learned.json`, and a table is made of all that are there.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from statistics import fmean
from typing import Any

import torch

from benchmarks.measure import device_name
from gankit.core.better import Better, merit
from gankit.core.files import write_whole
from gankit.report.measured import read_results

KEPT = Path(__file__).resolve().with_suffix(".json")
RATES = KEPT.with_name("rates.json")
"""Of `python -m benchmarks.rates`: the minutes of a training, by row."""
MADE = re.compile(
    r"<!-- made by python -m benchmarks\.learning(?P<rows>[^>]*?) -->\n(?P<table>.*?)<!-- end -->", re.DOTALL
)
"""In a page: a table, with the options of the command that makes it."""

FIGURES = {
    "translation_error": "error",
    "colour_slope": "colour slope",
    "silhouette_iou": "silhouette IoU",
    "attention_iou": "attention IoU",
    "background_psnr": "background PSNR, dB",
    "hole_psnr": "PSNR in the holes, dB",
    "l1": "L1, levels",
    "psnr": "PSNR, dB",
    "ssim": "SSIM",
}
BETTER: Mapping[str, Better] = {"translation_error": "lower", "l1": "lower", "colour_slope": "one"}
"""Of figures where higher is not better."""
BESIDE = {
    "hole_psnr": ("mean fill", "hole_psnr_mean_fill"),
    "psnr": ("bicubic", "bicubic_psnr"),
    "ssim": ("bicubic", "bicubic_ssim"),
}
"""Trivial answers that are metrics of their own."""

Record = dict[str, Any]
"""Of one or several seeds of a row: `row`, `setting` (what the recipe says, shortened to a digest), `seeds`,
`processor`, `torch`, and `figures`, by metric and direction: the `values` of the seeds and their `trivial` answers."""


def processor() -> str:
    return f"{device_name(torch.device('cpu'))}, {torch.backends.cpu.get_cpu_capability()}"


def read(path: Path = KEPT) -> list[Record]:
    return json.loads(path.read_text(encoding="utf-8")) if path.is_file() else []


def minutes(row: str, records: Iterable[Record], path: Path = RATES) -> float | None:
    """Of a training of this row, where they were measured with the setting of its records."""
    one = (json.loads(path.read_text(encoding="utf-8")) if path.is_file() else {}).get(row)
    settings = {record["setting"] for record in records if record["row"] == row}
    return one["minutes"] if one and settings == {one["setting"]} else None


def has(row: str, setting: str, seed: int, path: Path = KEPT) -> bool:
    return any(one["row"] == row and one["setting"] == setting and seed in one["seeds"] for one in read(path))


def record(row: str, setting: str, seed: int, run: Path) -> Record:
    """The figures of a finished training."""
    found = [one for one in read_results(run) if one["value"] is not None and not one.get("label")]
    results = {(one["metric"], one["direction"]): one for one in found}
    has_truth = any(metric == "translation_error" for metric, _ in results)  # says more than whole pictures do
    figures = {}
    for (metric, direction), one in results.items():
        if metric not in FIGURES or (has_truth and metric in ("l1", "psnr", "ssim")):
            continue
        trivial = {name: value for name, value in one.get("trivial", {}).items() if value is not None}
        name, other = BESIDE.get(metric, ("", ""))
        if beside := results.get((other, direction)):
            trivial = {name: beside["value"]} | trivial
        figures[f"{metric} {direction}"] = {
            "values": [round(one["value"], 4)],
            "trivial": {name: round(value, 4) for name, value in trivial.items()},
        }
    machine = {"processor": processor(), "torch": torch.__version__.split("+")[0]}
    return {"row": row, "setting": setting, "seeds": [seed], **machine, "figures": figures}


def keep(new: Record, path: Path = KEPT) -> None:
    """Put it in the place of those of the same row that have its seed, or another setting."""
    (seed,) = new["seeds"]
    stay = [
        one
        for one in read(path)
        if one["row"] != new["row"] or (one["setting"] == new["setting"] and seed not in one["seeds"])
    ]
    records = sorted([*stay, new], key=lambda one: (one["row"], one["seeds"]))
    write_whole(path, json.dumps(records, indent=1) + "\n")


# -- the table ---------------------------------------------------------------------------------------------------------
def lines(row: str, title: str, records: Iterable[Record], minutes: float | None = None) -> list[str]:
    """The lines of a row: a line for each figure and direction, over the seeds that are there.

    minutes: of one training."""
    mine = [one for one in records if one["row"] == row]
    found, first = [], _titled(title, mine)
    first += f", {max(minutes, 1):.0f} min" if minutes else ""
    for metric, name in FIGURES.items():
        for direction in ("a2b", "b2a"):
            if figures := _of_all(f"{metric} {direction}", mine):
                found.append(f"| {first} | {name} {direction} | {_ours(figures)} | {_beside(figures)} |")
                first = ""
    return found


def _ours(figures: Sequence[Record]) -> str:
    """The mean, and the range where there are several."""
    values = [value for figure in figures for value in figure["values"]]
    mean = f"**{fmean(values):.2f}**"
    return mean if len(values) == 1 else f"{mean} ({min(values):.2f} to {max(values):.2f})"


def _beside(figures: Sequence[Record]) -> str:
    return ", ".join(f"{name} {mean:.2f}" for name, mean in _means(figures).items())


def _means(figures: Sequence[Record]) -> dict[str, float]:
    """The trivial answers, each the mean over the seeds."""
    weights = [len(figure["values"]) for figure in figures]
    names = [name for name in figures[0]["trivial"] if all(name in figure["trivial"] for figure in figures)]
    return {name: fmean((figure["trivial"][name] for figure in figures), weights) for name in names}


def table(rows: Sequence[str]) -> list[str]:
    return ["| row | figure | ours | trivial answers |", "|---|---|---|---|", *rows]


def beside(titles: Mapping[str, str], records: Sequence[Record]) -> list[str]:
    """A table with a line for each row, and a column for each figure and direction: ours, and the strongest trivial
    answer behind a bar. titles: by row."""
    found = {row: [one for one in records if one["row"] == row] for row in titles}
    columns = {
        key: f"{name} {way}"
        for metric, name in FIGURES.items()
        for way in ("a2b", "b2a")
        if any(_of_all((key := f"{metric} {way}"), mine) for mine in found.values())
    }
    lines = [f"| {' | '.join(['row', *columns.values()])} |", "|---" * (len(columns) + 1) + "|"]
    for row, mine in found.items():
        if mine:
            cells = [_strongest(key, figures) if (figures := _of_all(key, mine)) else "" for key in columns]
            lines.append(f"| {' | '.join([_titled(titles[row], mine), *cells])} |")
    return lines


def _titled(title: str, mine: Sequence[Record]) -> str:
    seeds = sum(len(one["seeds"]) for one in mine)
    return f"{title}, {seeds} seed{'s' if seeds != 1 else ''}"


def _of_all(key: str, mine: Sequence[Record]) -> list[Record]:
    """A figure of all records of a row; none where only some seeds have it, for then it tells nothing, such as a
    background that a change of the whole picture left by chance."""
    figures = [one["figures"][key] for one in mine if key in one["figures"]]
    return figures if len(figures) == len(mine) else []


def _strongest(key: str, figures: Sequence[Record]) -> str:
    better = BETTER.get(key.split()[0], "higher")
    trivial = _means(figures).values()
    best = max(trivial, key=lambda value: merit(value, better), default=None)
    return _ours(figures) + (f" \\| {best:.2f}" if best is not None else "")


def grid(cells: Mapping[str, tuple[str, str]], tasks: Sequence[str], records: Sequence[Record]) -> list[str]:
    """A table of methods by tasks: the errors, a2b and b2a, the strongest trivial answers behind a bar, and in
    brackets for how many seeds. cells: the method and the task of rows. Empty where there are no cells."""
    found: dict[str, dict[str, str]] = {}
    for row, (method, task) in cells.items():
        found.setdefault(method, {})[task] = _cell([one for one in records if one["row"] == row])
    if not found:
        return []
    lines = [f"| {method} | {' | '.join(of.get(task, '') for task in tasks)} |" for method, of in found.items()]
    return [f"| method | {' | '.join(tasks)} |", "|---" * (len(tasks) + 1) + "|", *lines, ""]


def _cell(mine: Sequence[Record]) -> str:
    errors = [figures for way in ("a2b", "b2a") if (figures := _of_all(f"translation_error {way}", mine))]
    if not errors:
        return ""
    ours = [fmean(value for figure in figures for value in figure["values"]) for figures in errors]
    least = [min(_means(figures).values()) for figures in errors]
    seeds = sum(len(one["seeds"]) for one in mine)
    return f"**{', '.join(f'{one:.2f}' for one in ours)}** \\| {', '.join(f'{one:.2f}' for one in least)} ({seeds})"


def write(page: Path, table_of: Callable[[list[str]], Sequence[str]]) -> None:
    """Write the tables of a page anew. table_of: the lines of a table of these rows; of all rows without any."""

    def made(found: re.Match[str]) -> str:
        _, _, names = found["rows"].partition("--rows ")
        return "\n".join([found[0].partition("\n")[0], *table_of(names.split()), "<!-- end -->"])

    page.write_text(MADE.sub(made, page.read_text(encoding="utf-8")), encoding="utf-8")


def rows_in(page: Path) -> list[str]:
    """The names of all rows that the tables of a page name."""
    found = MADE.finditer(page.read_text(encoding="utf-8"))
    return [name for one in found for name in one["rows"].partition("--rows ")[2].split()]
