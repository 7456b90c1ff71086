"""How long the rows of docs/benchmark.md take: `python -m benchmarks.rates` trains the first steps of each, one after
another on one thread, and keeps the minutes that all of its steps take at that rate. The machine should be at rest.
Later phases of a method may take another time.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from benchmarks.learned import RATES, processor
from benchmarks.learning import setting, training
from benchmarks.rows import PAGES, Row
from gankit.cli.processes import Processes
from gankit.core.files import write_whole

FIRST, LAST = 20, 60
"""The steps between which the time is taken: the first ones are slower."""


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    rows = {row.name: row for row in PAGES["benchmark"]}
    parser.add_argument("--rows", nargs="*", choices=rows, help="measure these only")
    options = parser.parse_args(arguments)
    os.environ["OMP_NUM_THREADS"] = "1"
    failed = [name for name in options.rows or rows if not _measure(rows[name])]
    return 1 if failed else 0


def _measure(row: Row) -> bool:
    with tempfile.TemporaryDirectory() as folder:
        whole = training(row, 0, Path(folder))
        short = (f"train.steps={LAST}", "train.log_every=20", "data.test=1")
        run = training(replace(row, sets=(*row.sets, *short)), 0, Path(folder))
        wrong: list[str] = []
        Processes(1).run({Path(folder) / "log": run.arguments}, lambda _, why: wrong.append(why) if why else None)
        if wrong:
            print(f"{row.name}: {wrong[0]}", file=sys.stderr)
            return False
        steps = whole.recipe.train.steps or 0  # a row has steps, not epochs
        minutes = steps * seconds_a_step((run.path / "metrics.jsonl").read_text()) / 60
    known = json.loads(RATES.read_text(encoding="utf-8")) if RATES.is_file() else {}
    known[row.name] = {"setting": setting(row), "minutes": round(minutes, 1), "processor": processor()}
    write_whole(RATES, json.dumps(dict(sorted(known.items())), indent=1) + "\n")
    print(f"{row.name}: {minutes:.1f} min", file=sys.stderr, flush=True)
    return True


def seconds_a_step(metrics: str) -> float:
    """From the lines of a metrics.jsonl."""
    times = {line["step"]: line["time"] for line in map(json.loads, metrics.splitlines()) if "losses" in line}
    return (times[LAST] - times[FIRST]) / (LAST - FIRST)


if __name__ == "__main__":
    raise SystemExit(main())
