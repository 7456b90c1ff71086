"""What each method learns on the drawn tasks, over several seeds, beside trivial answers: docs/benchmark.md; and what
the papers compare, in the same way: docs/experiments.md.

`python -m benchmarks.learning` trains what is missing and writes the table of the first page, with `--page experiments`
that of the second; `--rows agit-texture` for some rows, `--jobs 2` for two trainings at once. A training that was
stopped goes on. The row of CUT needs its plugin.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from gankit.cli.processes import Processes
from gankit.core.recipe import Recipe
from gankit.report.ablate import Training
from gankit.report.measured import read_results
from gankit.training.run import Run

DOCS = Path(__file__).resolve().parents[1] / "docs"
BEGIN, END = "<!-- made by python -m benchmarks.learning -->", "<!-- end -->"
SEEDS = (20, 21, 22)
"""Nothing was chosen on them: settings come from seeds 0 and 1, on the split `val`."""

FIGURES = {
    "translation_error": "error",
    "colour_slope": "colour slope",
    "silhouette_iou": "silhouette IoU",
    "attention_iou": "attention IoU",
    "background_psnr": "background PSNR, dB",
}


@dataclass(frozen=True)
class Row:
    """A recipe, and what of it is set."""

    name: str
    title: str
    recipe: str
    sets: tuple[str, ...] = ()


ROWS = [
    Row(
        "agit-texture",
        "AGIT, `texture`, 64 px, 2000 steps",
        "demo",
        ("train.steps=2000", "method.whole_image_until_epoch=12"),
    ),
    Row("demo", "the demo: AGIT, `texture`, 64 px, 700 steps", "demo"),
    Row(
        "cyclegan-texture",
        "CycleGAN, `texture`, 48 px, 1600 steps",
        "demo-cyclegan",
        ("data.task=texture", "losses.identity.weight=5"),
    ),
    Row("cyclegan-season", "CycleGAN, `season`, 48 px, 1600 steps", "demo-cyclegan"),
    Row("ugatit-season", "U-GAT-IT light, `season`, 48 px, 1000 steps", "demo-ugatit"),
    Row("cut-season", "CUT, `season`, 48 px, 1500 steps", "demo-cut"),
    Row("pix2pix-texture", "pix2pix (pairs), `texture`, 48 px, 1000 steps", "demo-pix2pix", ("data.task=texture",)),
    Row("pix2pix-season", "pix2pix (pairs), `season`, 48 px, 1000 steps", "demo-pix2pix", ("data.task=season",)),
    Row("pix2pix-geometry", "pix2pix (pairs), `geometry`, 48 px, 2000 steps", "demo-pix2pix", ("train.steps=2000",)),
]

WITHOUT_CAM = ("method.generator.attention=null", "method.discriminator.cam=false", "losses.cam.weight=0")
NORMS = ("adalin", "adain", "instance", "layer", "group", "bin")
EXPERIMENTS = [
    Row(
        "cyclegan-no-identity",
        "CycleGAN, `season`, without the identity loss",
        "demo-cyclegan",
        ("losses.identity.weight=0",),
    ),
    Row(
        "cyclegan-cross-entropy", "CycleGAN, `season`, cross entropy", "demo-cyclegan", ("losses.adversarial=vanilla",)
    ),
    Row(
        "cyclegan-saturating",
        "CycleGAN, `season`, log(1 - D)",
        "demo-cyclegan",
        ("losses.adversarial={type: vanilla, saturating: true}",),
    ),
    Row(
        "agit-one-phase",
        "AGIT, `texture`, critics of whole pictures to the end",
        "demo",
        ("train.steps=2000", "method.whole_image_until_epoch=20"),
    ),
    Row(
        "agit-sees-attended",
        "AGIT, `texture`, the generator sees the attended picture",
        "demo",
        ("train.steps=2000", "method.whole_image_until_epoch=12", "method.generator_sees=attended"),
    ),
    *(
        Row(f"ugatit-{norm}", f"U-GAT-IT light, `season`, {norm}", "demo-ugatit", (f"method.generator.norm={norm}",))
        for norm in NORMS
    ),
    Row("ugatit-no-cam", "U-GAT-IT light, `season`, without CAM", "demo-ugatit", WITHOUT_CAM),
]
PAGES = {"benchmark": ROWS, "experiments": EXPERIMENTS}


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--page", choices=PAGES, default="benchmark", help="the page of docs whose table is made")
    names = [row.name for rows in PAGES.values() for row in rows]
    parser.add_argument("--rows", nargs="*", choices=names, help="train these only")
    parser.add_argument("--seeds", nargs="*", type=int, default=SEEDS)
    parser.add_argument("--jobs", type=int, default=1, help="trainings at once, of one thread each")
    parser.add_argument("--out", type=Path, default=Path("runs/learning"), help="the folder of the runs")
    parser.add_argument("--table", action="store_true", help="train nothing; write the table of what is finished")
    options = parser.parse_args(arguments)
    rows = [row for row in PAGES[options.page] if not options.rows or row.name in options.rows]
    trainings = [] if options.table else [training(row, seed, options.out) for seed in options.seeds for row in rows]
    failed = train([one for one in trainings if not one.finished], options.jobs, options.out)
    lines = [line for row in PAGES[options.page] for line in table(row, options.seeds, options.out)]
    write(DOCS / f"{options.page}.md", lines)
    return 1 if failed else 0


def training(row: Row, seed: int, out: Path) -> Training:
    path = out / f"{row.name}-{seed}"
    sets = [*row.sets, f"train.seed={seed}", f"data.seed={seed}", "train.measure=null"]
    options = [word for one in sets for word in ("--set", one)]
    arguments = ["train", row.recipe, "--resume", "--out", str(path), *options]
    return Training(path, Recipe.load(row.recipe, sets), arguments)


def train(trainings: Sequence[Training], jobs: int, out: Path) -> list[str]:
    """Train them; the names of those that failed."""
    os.environ["OMP_NUM_THREADS"] = "1"
    out.mkdir(parents=True, exist_ok=True)
    failed: list[str] = []

    def done(log: Path, why: str) -> None:
        print(f"{log.stem}: {why or 'done'}", file=sys.stderr, flush=True)
        if why:
            failed.append(log.stem)

    Processes(jobs).run({out / f"{one.path.name}.log": one.arguments for one in trainings}, done)
    return failed


# -- the table ---------------------------------------------------------------------------------------------------------
def table(row: Row, seeds: Iterable[int], out: Path) -> list[str]:
    """The lines of one row: a line for each figure and direction, over the seeds that are there."""
    paths = [path for seed in seeds if (path := out / f"{row.name}-{seed}") and Run(path).evaluation.is_file()]
    results = [read_results(path) for path in paths]
    lines, title = [], f"{row.title}, {len(paths)} seed{'s' if len(paths) != 1 else ''}"
    for metric, name in FIGURES.items():
        for direction in ("a2b", "b2a"):
            asked = (metric, direction)
            every = [one for result in results for one in result if (one["metric"], one["direction"]) == asked]
            figures = [one for one in every if one["value"] is not None]  # a season leaves no background
            if figures:
                lines.append(f"| {title} | {name} {direction} | {ours(figures)} | {beside(figures)} |")
                title = ""
    return lines


def ours(figures: Sequence[dict[str, Any]]) -> str:
    """The mean, and the range where there are several."""
    values = [figure["value"] for figure in figures]
    mean = f"**{fmean(values):.2f}**"
    return mean if len(values) == 1 else f"{mean} ({min(values):.2f} to {max(values):.2f})"


def beside(figures: Sequence[dict[str, Any]]) -> str:
    """The trivial answers, each the mean over the seeds."""
    names = figures[0].get("trivial", {})
    means = {name: [figure["trivial"][name] for figure in figures] for name in names}
    return ", ".join(f"{name} {fmean(values):.2f}" for name, values in means.items() if None not in values)


def write(page: Path, lines: Sequence[str]) -> None:
    text = page.read_text(encoding="utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    heading = ["| row | figure | ours | trivial answers |", "|---|---|---|---|"]
    page.write_text("\n".join([before + BEGIN, *heading, *lines, END]) + after, encoding="utf-8")


if __name__ == "__main__":
    raise SystemExit(main())
