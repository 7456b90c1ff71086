"""The first test pictures, as several runs translate them, in one picture for the docs:

    python -m benchmarks.pictures runs/learning/lbam-20 runs/learning/pconv-20 --names LBAM PConv --out lbam.png

The runs need the same test pictures. `--maps` shows the attention of each run before its output.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

import gankit
from gankit.evaluation.evaluate import measuring, samples_of, truth_of, ways_of
from gankit.evaluation.measure import stacked
from gankit.report.grids import overlay, sample_grid
from gankit.report.samples import shown

Row = dict[str, Tensor | str]


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
    made = [translated(run, options.direction, options.count) for run in options.runs]
    if any(len(found) < options.count for found in made):
        parser.error(f"not every run has {options.count} test pictures that it translates {options.direction}")
    rows: list[Row] = []
    for several in zip(*made, strict=True):
        inputs = several[0][0]
        if not all(_alike(inputs, other[0]) for other in several):
            parser.error("the runs have other test pictures")
        row: Row = dict(inputs)
        for name, (_, attention, output, _) in zip(names, several, strict=True):
            if options.maps and attention is not None:
                row[f"{name}: map"] = overlay(next(iter(inputs.values())), attention) * 2 - 1
            row[name] = output
        truth = several[0][3]
        rows.append(row if truth is None else row | {"truth": truth})
    sample_grid(rows).save(options.out, "PNG")
    return 0


def _alike(ours: Mapping[str, Tensor], theirs: Mapping[str, Tensor]) -> bool:
    return ours.keys() == theirs.keys() and all(torch.equal(ours[key], theirs[key]) for key in ours)


def translated(
    run: Path, direction: str, count: int
) -> list[tuple[dict[str, Tensor], Tensor | None, Tensor, Tensor | None]]:
    """Of each of the first test pictures what is shown of the inputs, the attention, the output and the truth."""
    model = gankit.load(run, "cpu")
    method, dataset = model.method, model.dataset("test")
    found = []
    with measuring(method):
        for batch in stacked(samples_of(dataset, count), 1):
            for way, inputs in ways_of(method, batch):
                if way != direction:
                    continue
                seen = {key: x for key, x in shown(method, way, inputs).items() if isinstance(x, Tensor)}
                attention, truth = method.attend(inputs, way), truth_of(method, batch, way, dataset)
                attention, truth = (None if x is None else x[0] for x in (attention, truth))
                found.append((seen, attention, method.translate(inputs, way)[0], truth))
    return found[:count]


if __name__ == "__main__":
    raise SystemExit(main())
