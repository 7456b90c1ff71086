"""Whether a method trained on pairs does better than no method: its L1 beside that of the mean training picture.

    python benchmarks/mean_picture.py RUN

RUN: a run directory of `paired` (pix2pix). Prints, as JSON, the mean absolute difference to the true pictures of the
test split, in levels of 0..255: of the run's results, and of the mean of all targets of the training split, without
augmentation, shown for every source. Pictures go through one at a time, as in the
paper, whose batch norm looks at each alone.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor

from gankit.api import Model, load
from gankit.core.recipe import Recipe
from gankit.training.assemble import open_dataset

LEVELS = 127.5


def items(dataset: object) -> Iterator[tuple[Tensor, Tensor]]:
    """The sources and targets of a split, without augmentation."""
    for i in range(len(dataset)):  # type: ignore[arg-type]
        item = dataset.item(i, torch.Generator().manual_seed(i))  # type: ignore[attr-defined]
        yield item["a"], item["b"]


def unaugmented(model: Model) -> object:
    """The training split, read as a test split is."""
    spec = model.recipe.data.model_dump(mode="json") | {"test": model.recipe.data.train}  # type: ignore[attr-defined]
    return open_dataset(Recipe.load({**model.recipe.filled(), "data": spec})).split("test")


def compare(model: Model) -> dict[str, object]:
    """L1 in levels of 0..255 of the run and of the mean training picture, over the test split."""
    targets = [target for _, target in items(unaugmented(model))]
    mean = torch.stack(targets).mean(0)
    torch.manual_seed(0)
    ours, theirs = [], []
    for source, target in items(model.dataset("test")):
        ours.append((model.translate(source) - target).abs().mean() * LEVELS)
        theirs.append((mean - target).abs().mean() * LEVELS)
    return {
        "l1_of_run": round(torch.stack(ours).mean().item(), 2),
        "l1_of_mean_training_picture": round(torch.stack(theirs).mean().item(), 2),
        "better_than_the_mean_on": f"{sum(bool(a < b) for a, b in zip(ours, theirs, strict=True))} of {len(ours)}",
        "training_pictures": len(targets),
        "step": model.step,
    }


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path, metavar="RUN")
    print(json.dumps(compare(load(parser.parse_args().run, device="cpu"))))


if __name__ == "__main__":
    main()
