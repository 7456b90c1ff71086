"""Whether a GAN's digits are digits, and all ten of them: a LeNet-5 as judge.

    python benchmarks/judge_mnist.py RUN --judge lenet5.safetensors [--count 2000] [--seed 0]

RUN: a run directory, or that of a checkpoint, of a method that draws from noise (`gan`), or a folder of pictures. The
judge is the LeNet-5 of csinva/gan-vae-pretrained-pytorch (99.1 % on MNIST's test digits), as safetensors; it takes
digits of 1 x 32 x 32 in [0, 1], so pictures of other sizes are resized bilinearly. Prints, as JSON, the mean of its
highest probability over the pictures, the share of each digit among its verdicts, and how many digits have more than
2 %.

A GAN that repeats a few good digits has a high confidence: look at both figures.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import torch
from safetensors.torch import load_file
from torch import Tensor, nn
from torch.nn import functional as F

import gankit
from gankit.codecs.images import read_image
from gankit.data.images import list_images
from gankit.training import checkpoint

ENOUGH = 0.02


class LeNet5(nn.Module):
    """(N, 1, 32, 32) in [0, 1] -> log probabilities (N, 10)."""

    def __init__(self) -> None:
        super().__init__()
        self.convnet = nn.ModuleDict({"c1": nn.Conv2d(1, 6, 5), "c3": nn.Conv2d(6, 16, 5), "c5": nn.Conv2d(16, 120, 5)})
        self.fc = nn.ModuleDict({"f6": nn.Linear(120, 84), "f7": nn.Linear(84, 10)})

    def forward(self, x: Tensor) -> Tensor:
        x = F.max_pool2d(F.relu(self.convnet["c1"](x)), 2)
        x = F.max_pool2d(F.relu(self.convnet["c3"](x)), 2)
        x = F.relu(self.convnet["c5"](x)).flatten(1)
        return F.log_softmax(self.fc["f7"](F.relu(self.fc["f6"](x))), -1)


def judge(digits: Tensor, weights: Path) -> dict[str, object]:
    """digits: (N, 1, H, W) in [0, 1]."""
    net = LeNet5().eval()
    net.load_state_dict(load_file(weights))
    if digits.shape[-2:] != (32, 32):
        digits = F.interpolate(digits, (32, 32), mode="bilinear", align_corners=False)
    with torch.no_grad():
        confidence, verdict = net(digits).exp().max(1)
    shares = torch.bincount(verdict, minlength=10) / len(digits)
    return {
        "count": len(digits),
        "mean_confidence": round(confidence.mean().item(), 4),
        "shares": [round(share, 4) for share in shares.tolist()],
        "digits_above_2_percent": int((shares > ENOUGH).sum()),
    }


def pictures(source: Path, count: int, seed: int) -> Tensor:
    """(N, 1, H, W) in [0, 1], drawn from a run or read from a folder."""
    if any((source / name).exists() for name in ("recipe.json", "checkpoints", checkpoint.INDEX)):
        return (gankit.load(source).sample(count, seed) + 1) / 2
    return torch.stack([read_image(path, 1) for path in list_images(source)[:count]]) / 255


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("source", type=Path, metavar="RUN")
    parser.add_argument("--judge", type=Path, required=True, metavar="FILE")
    parser.add_argument("--count", type=int, default=2000)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    print(json.dumps(judge(pictures(args.source, args.count, args.seed), args.judge)))


if __name__ == "__main__":
    main()
