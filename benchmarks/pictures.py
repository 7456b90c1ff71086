"""The first test pictures, as several runs translate them, in one picture for the docs:

    python -m benchmarks.pictures runs/learning/lbam-20 runs/learning/pconv-20 --names LBAM PConv --out lbam.png

The runs need the same test pictures. `--maps` shows the attention of each run before its output.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import gankit
from gankit.report.grids import overlay, sample_grid
from gankit.report.showcase import given, translated

Row = dict[str, Any]


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    parser.add_argument("--names", nargs="+", help="what stands above their columns; else the folders' names")
    parser.add_argument("--out", required=True, type=Path, help="a PNG file")
    parser.add_argument("--direction", default="a2b")
    parser.add_argument("--count", type=int, default=3, help="how many pictures")
    parser.add_argument("--maps", action="store_true", help="show attention, too")
    options = parser.parse_args(arguments)
    names = options.names or [run.name for run in options.runs]
    if len(names) != len(options.runs):
        parser.error(f"{len(names)} names are given for {len(options.runs)} runs")
    made = []
    for run in options.runs:
        model = gankit.load(run, "cpu")
        rows = translated(model.method, model.dataset("test"), options.count)
        made.append([row for row in rows if row["direction"] == options.direction])
    if any(len(rows) < options.count for rows in made):
        parser.error(f"not every run has {options.count} test pictures that it translates {options.direction}")
    rows = []
    for several in zip(*made, strict=True):
        inputs = given(several[0])
        if not all(_alike(inputs, given(other)) for other in several):
            parser.error("the runs have other test pictures")
        row: Row = dict(inputs)
        for name, one in zip(names, several, strict=True):
            if options.maps and "attention" in one:
                row[f"{name}: map"] = overlay(next(iter(inputs.values())), one["attention"]) * 2 - 1
            row[name] = one["output"]
        rows.append(row | {key: several[0][key] for key in ("truth",) if key in several[0]})
    sample_grid(rows).save(options.out, "PNG")
    return 0


def _alike(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


if __name__ == "__main__":
    raise SystemExit(main())
