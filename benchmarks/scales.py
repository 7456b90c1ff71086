"""What parts of several sizes (`data.largest_crop`) are worth on pictures of another scale, for docs/experiments.md.

    python -m benchmarks.scales --seed 20

Draws pairs of faint and strong stripes at 96 px. The recipe demo-pix2pix is trained on parts of 48 px, and on parts of
48 to 96 px that are reduced to 48. Both are measured on parts of 48 px of the test pictures, and on whole ones that
are reduced to 48, where all is half as large as in the first training, beside the answer of returning the input.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import gankit
from benchmarks.drawn_pictures import save
from gankit.data.dataset import Split
from gankit.data.shapes import Shapes

COUNTS: dict[Split, int] = {"train": 400, "test": 100}
TRAININGS = {"of one size": "null", "of several": "96"}
TESTS = {"at its own scale": "crop", "half as large": "resize_and_crop"}


def draw_pairs(folder: Path, seed: int, size: int = 96, counts: Mapping[Split, int] = COUNTS) -> str:
    """`A` and `B` with `train` and `test`; the folder."""
    for name, count in counts.items():
        scenes = Shapes(task="texture", size=size, seed=seed, paired=True, cache=False, **counts).split(name)
        for i in range(count):
            item = scenes.item(i)
            for side in "ab":
                save(item[side], folder / side.upper() / name / f"{i:04}.png")
    return str(folder)


def measured(run: Path, preprocess: str) -> list[dict]:
    command = ["evaluate", str(run), "--metrics", "l1,psnr", "--set", f"data.preprocess={preprocess}", "--json"]
    told = subprocess.run([sys.executable, "-m", "gankit.cli.main", *command], check=True, capture_output=True)
    return json.loads(told.stdout)["results"]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--steps", type=int, default=2500)
    parser.add_argument("--out", type=Path, default=Path("runs/scales"), help="the folder of pictures and runs")
    options = parser.parse_args()
    folder = options.out / str(options.seed)
    pairs = f"{{type: paired, root: {draw_pairs(folder / 'pairs', options.seed)}, preprocess: crop, crop_size: 48}}"
    for name, largest in TRAININGS.items():
        run = folder / name.replace(" ", "-")
        sets = [f"data={pairs}", f"data.largest_crop={largest}", "train.measure=null"]
        sets += [f"train.seed={options.seed}", f"train.steps={options.steps}"]
        gankit.train("demo-pix2pix", run, resume=run.exists(), sets=sets)
        for test, preprocess in TESTS.items():
            for row in measured(run, preprocess):
                trivial = row["trivial"]["input"]
                print(f"parts {name}, {test}: {row['metric']} {row['value']:.2f}, input {trivial:.2f}", flush=True)


if __name__ == "__main__":
    main()
