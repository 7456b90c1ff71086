"""What each method learns on the drawn tasks, over several seeds, beside trivial answers: docs/benchmark.md; and what
the papers compare, in the same way: docs/experiments.md.

`python -m benchmarks.learning` trains what is missing of the first page, with `--page experiments` of the second, and
writes the tables of both; `--rows agit-texture` for some rows, `--jobs 2` for two trainings at once. A training that
was stopped goes on. The row of CUT needs its plugin. Figures are kept in `benchmarks/learned.json` as they come; a
training whose figures are there is not missing, so that tables grow over several machines and days.
`benchmarks.rates` measures the minutes of the rows, `benchmarks.pictures` draws what several runs make of the same
pictures.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path

import yaml

from benchmarks import learned
from benchmarks.drawn_pictures import draw_pictures
from benchmarks.rows import DRAWN_FOLDER, PAGES, TASKS, Row
from gankit.cli.processes import Processes
from gankit.core import library
from gankit.core.recipe import Recipe
from gankit.report.ablate import Training

DOCS = Path(__file__).resolve().parents[1] / "docs"
SEEDS = (20, 21, 22)
"""Nothing was chosen on them: settings come from seeds 0 and 1, on the split `val`."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", choices=PAGES, default="benchmark", help="the page of docs whose rows are trained")
    known = {row.name: row for rows in PAGES.values() for row in rows}
    parser.add_argument("--rows", nargs="*", choices=known, metavar="ROW", help="train these only")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, of one thread each")
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="the folder of the runs")
    parser.add_argument("--table", action="store_true", help="train nothing; write the tables of what is there")
    options = parser.parse_args(arguments)
    if unknown := [name for page in PAGES for name in learned.rows_in(page_of(page)) if name not in known]:
        parser.error(f"the pages of docs have tables of rows that there are not: {', '.join(unknown)}")
    rows = [known[name] for name in options.rows or ()] or PAGES[options.page]
    asked = [] if options.table else [(row, seed) for seed in options.seeds for row in rows]
    failed = train([(row, seed) for row, seed in asked if not learned.has(row.name, setting(row), seed)], options)
    records = learned.read()
    for page in PAGES:  # a row may stand on both
        learned.write(page_of(page), lambda names, page=page: table_of(names, page, records))
    return 1 if failed else 0


def page_of(name: str) -> Path:
    return DOCS / f"{name}.md"


def table_of(names: Sequence[str], page: str, records: Sequence[learned.Record]) -> list[str]:
    """The lines of a table of these rows, or without any of all rows of a page, with its grid."""
    known = {row.name: row for rows in PAGES.values() for row in rows}
    if names:
        return learned.beside({name: known[name].title for name in names}, records)
    rows = PAGES[page]
    times = {row.name: learned.minutes(row.name, records) for row in rows}
    lines = [line for row in rows for line in learned.lines(row.name, row.title, records, times[row.name])]
    cells = {row.name: row.cell for row in rows if row.cell}
    return [*learned.grid(cells, TASKS, records), *learned.table(lines)]


def setting(row: Row) -> str:
    """A digest of what the recipe and the row say: figures of another setting are not those of the row."""
    written = yaml.safe_load(library.find(row.recipe).read_text(encoding="utf-8"))
    said = {key: value for key, value in written.items() if key != "about"}
    return hashlib.sha256(json.dumps([said, row.sets]).encode()).hexdigest()[:12]


def training(row: Row, seed: int, out: Path) -> Training:
    path = out / f"{row.name}-{seed}"
    sets = [one.replace(DRAWN_FOLDER, str(out / "drawn")) for one in row.sets]
    sets += [f"train.seed={seed}", "train.measure=null"]
    sets += [] if sets[0].startswith("data.root") else [f"data.seed={seed}"]
    options = [word for one in sets for word in ("--set", one)]
    arguments = ["train", row.recipe, "--resume", "--out", str(path), *options]
    return Training(path, Recipe.load(row.recipe, sets), arguments)


def train(missing: Sequence[tuple[Row, int]], options: argparse.Namespace) -> list[str]:
    """Train them and keep their figures; the names of those that failed."""
    os.environ["OMP_NUM_THREADS"] = "1"
    options.out.mkdir(parents=True, exist_ok=True)
    if any(DRAWN_FOLDER in one for row, _ in missing for one in row.sets):
        draw_pictures(options.out / "drawn")
    trainings = {(row, seed): training(row, seed, options.out) for row, seed in missing}
    by_log = {options.out / f"{one.path.name}.log": key for key, one in trainings.items()}
    failed: list[str] = []

    def done(log: Path, why: str) -> None:
        print(f"{log.stem}: {why or 'done'}", file=sys.stderr, flush=True)
        if why:
            failed.append(log.stem)
        else:
            keep(*by_log[log])

    def keep(row: Row, seed: int) -> None:
        learned.keep(learned.record(row.name, setting(row), seed, trainings[row, seed].path))

    for key, one in trainings.items():
        if one.finished:
            keep(*key)
    Processes(options.jobs).run(
        {log: trainings[key].arguments for log, key in by_log.items() if not trainings[key].finished}, done
    )
    return failed


if __name__ == "__main__":
    raise SystemExit(main())
