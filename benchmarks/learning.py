"""What each method learns on the drawn tasks, over several seeds, beside trivial answers: docs/benchmark.md; and what
the papers compare, in the same way: docs/experiments.md.

`python -m benchmarks.learning` trains what is missing and writes the table of the first page, with `--page experiments`
that of the second; `--rows agit-texture` for some rows, `--jobs 2` for two trainings at once. A training that was
stopped goes on. The row of CUT needs its plugin. Figures are kept in `benchmarks/learned.json` as they come; a
training whose figures are there is not missing, so that tables grow over several machines and days.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import yaml

from benchmarks import learned
from gankit.cli.processes import Processes
from gankit.core import library
from gankit.core.recipe import Recipe
from gankit.report.ablate import Training

DOCS = Path(__file__).resolve().parents[1] / "docs"
SEEDS = (20, 21, 22)
"""Nothing was chosen on them: settings come from seeds 0 and 1, on the split `val`."""


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
    Row(
        "ugatit-texture",
        "U-GAT-IT light, `texture`, 48 px, 1000 steps",
        "demo-ugatit",
        ("data.task=texture",),
    ),
    Row("cut-season", "CUT, `season`, 48 px, 1500 steps", "demo-cut"),
    Row("pix2pix-texture", "pix2pix (pairs), `texture`, 48 px, 1000 steps", "demo-pix2pix", ("data.task=texture",)),
    Row("pix2pix-season", "pix2pix (pairs), `season`, 48 px, 1000 steps", "demo-pix2pix", ("data.task=season",)),
    Row("pix2pix-geometry", "pix2pix (pairs), `geometry`, 48 px, 2000 steps", "demo-pix2pix", ("train.steps=2000",)),
]

WITHOUT_CAM = ("method.generator.attention=null", "method.discriminator.cam=false", "losses.cam.weight=0")
NORMS = ("adain", "instance", "layer", "group", "bin")
CYCLEGAN = ("train.steps=800",)
AGIT = ("train.steps=1000", "method.whole_image_until_epoch=6")
UGATIT = ("train.steps=400",)
EXPERIMENTS = [
    Row("cyclegan", "CycleGAN, `season`, 800 steps: least squares, identity 2", "demo-cyclegan", CYCLEGAN),
    Row("cyclegan-no-identity", "... without identity loss", "demo-cyclegan", (*CYCLEGAN, "losses.identity.weight=0")),
    Row("cyclegan-cross-entropy", "... cross entropy", "demo-cyclegan", (*CYCLEGAN, "losses.adversarial=vanilla")),
    Row(
        "cyclegan-saturating",
        "... cross entropy, the generator by log(1 - D)",
        "demo-cyclegan",
        (*CYCLEGAN, "losses.adversarial={type: vanilla, saturating: true}"),
    ),
    Row("agit", "AGIT, `texture`, 1000 steps: attended critic in the last 400", "demo", AGIT),
    Row(
        "agit-one-phase",
        "... critics of whole pictures to the end",
        "demo",
        ("train.steps=1000", "method.whole_image_until_epoch=10"),
    ),
    Row(
        "agit-sees-attended",
        "... the generator sees the attended picture",
        "demo",
        (*AGIT, "method.generator_sees=attended"),
    ),
    Row("ugatit", "U-GAT-IT light, `season`, 400 steps: AdaLIN, CAM", "demo-ugatit", UGATIT),
    *(
        Row(f"ugatit-{norm}", f"... norm `{norm}`", "demo-ugatit", (*UGATIT, f"method.generator.norm={norm}"))
        for norm in NORMS
    ),
    Row("ugatit-no-cam", "... without CAM", "demo-ugatit", (*UGATIT, *WITHOUT_CAM)),
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
    parser.add_argument("--table", action="store_true", help="train nothing; write the table of what is there")
    options = parser.parse_args(arguments)
    rows = [row for row in PAGES[options.page] if not options.rows or row.name in options.rows]
    asked = [] if options.table else [(row, seed) for seed in options.seeds for row in rows]
    failed = train([(row, seed) for row, seed in asked if not learned.has(row.name, setting(row), seed)], options)
    records = learned.read()
    lines = [line for row in PAGES[options.page] for line in learned.lines(row.name, row.title, records)]
    learned.write(DOCS / f"{options.page}.md", lines)
    return 1 if failed else 0


def setting(row: Row) -> str:
    """A digest of what the recipe and the row say: figures of another setting are not those of the row."""
    written = yaml.safe_load(library.find(row.recipe).read_text(encoding="utf-8"))
    said = {key: value for key, value in written.items() if key != "about"}
    return hashlib.sha256(json.dumps([said, row.sets]).encode()).hexdigest()[:12]


def training(row: Row, seed: int, out: Path) -> Training:
    path = out / f"{row.name}-{seed}"
    sets = [*row.sets, f"train.seed={seed}", f"data.seed={seed}", "train.measure=null"]
    options = [word for one in sets for word in ("--set", one)]
    arguments = ["train", row.recipe, "--resume", "--out", str(path), *options]
    return Training(path, Recipe.load(row.recipe, sets), arguments)


def train(missing: Sequence[tuple[Row, int]], options: argparse.Namespace) -> list[str]:
    """Train them and keep their figures; the names of those that failed."""
    os.environ["OMP_NUM_THREADS"] = "1"
    options.out.mkdir(parents=True, exist_ok=True)
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
