"""How much of a facade is labelled right: each pixel of an output by the nearest colour of the label maps.

    python -m benchmarks.facade_labels runs/learning/facades-20 runs/learning/facades-r1-r2-20

Prints the share of right pixels and the intersection over union, averaged over the classes, of each run on its test
pictures; and beside them those of the most frequent label, and of the mean of all training maps. (The L1 of colours
rewards what is pale.)
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

import gankit
from benchmarks.mean_picture import items, unaugmented

HEX = "0000de 0030ff 0080ff 00cfff 20ffdf 70ff8f c0ff3f fff000 ff9f00 ff5000 ff0000 ae0000"
COLOURS = torch.tensor([list(bytes.fromhex(one)) for one in HEX.split()]) / 127.5 - 1
"""Of the twelve classes in the maps that come with pix2pix, (12, 3) in [-1, 1]."""


def labels(pictures: Tensor) -> Tensor:
    """(N, 3, H, W) in [-1, 1] -> (N, H, W), the number of the nearest colour."""
    return torch.cdist(pictures.movedim(1, 3).reshape(-1, 3), COLOURS).argmin(1).view(-1, *pictures.shape[2:])


def scores(ours: Tensor, truth: Tensor) -> tuple[float, float]:
    """The share of right labels, and the mean intersection over union of the classes that the truth has."""
    each = [((ours == k) & (truth == k)).sum() / ((ours == k) | (truth == k)).sum() for k in truth.unique()]
    return (ours == truth).float().mean().item(), torch.stack(each).mean().item()


def main(arguments: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("runs", nargs="+", type=Path)
    options = parser.parse_args(arguments)
    for run in options.runs:
        model = gankit.load(run, "cpu")
        pairs = list(items(model.dataset("test")))
        truth = labels(torch.stack([target for _, target in pairs]))
        _tell(run.name, scores(labels(torch.cat([model.translate(source[None]) for source, _ in pairs])), truth))
    mean = torch.stack([target for _, target in items(unaugmented(model))]).mean(0)
    _tell("the most frequent label", scores(truth.flatten().mode().values.expand_as(truth), truth))
    _tell("the mean of all training maps", scores(labels(mean[None]).expand_as(truth), truth))
    return 0


def _tell(name: str, found: tuple[float, float]) -> None:
    print(f"{name:32} right pixels {found[0]:.3f}   mean IoU {found[1]:.3f}", flush=True)


if __name__ == "__main__":
    raise SystemExit(main())
