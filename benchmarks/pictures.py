"""The first test pictures, as several runs translate them, in one picture for the docs:

    python -m benchmarks.pictures runs/learning/lbam-20 runs/learning/pconv-20 --names LBAM PConv --out lbam.png

Runs have the same test pictures. `--maps` shows the attention of each run before its output.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

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
    rows: list[Row] = [{} for _ in range(options.count)]
    truths: list[Row] = [{} for _ in rows]
    for run, name in zip(options.runs, names, strict=True):
        for row, truth, found in zip(rows, truths, translated(run, options.direction, options.count), strict=True):
            inputs, attention, output, true = found
            row.update({key: value for key, value in inputs.items() if key not in row})
            if options.maps and attention is not None:
                row[f"{name}: map"] = overlay(next(iter(inputs.values())), attention) * 2 - 1
            row[name] = output
            if true is not None:
                truth["truth"] = true
    sample_grid([row | truth for row, truth in zip(rows, truths, strict=True)]).save(options.out, "PNG")
    return 0


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
    return found


if __name__ == "__main__":
    raise SystemExit(main())
