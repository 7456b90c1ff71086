"""Translated pictures as augmentation (Sandfort et al. 2019, doi 10.1038/s41598-019-52737-x), on drawn patients.

A small U-Net learns to find vessels on scans with contrast medium, where they are easy to see and were outlined, and is
tested on scans without it. Beside it the same network, with half of its pictures translated by a trained run of
`contrast-ct`: their outlines are those of the scans that they were made of.

    python augmentation.py runs/contrast-ct

Dice is 2 |ours and true| / (|ours| + |true|), of each patient of the split, then the mean over patients.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

import gankit
from gankit.data import Dataset, Split

Augment = Callable[[Tensor, Tensor, torch.Generator], Tensor]
"""(pictures, their numbers, generator) -> pictures to learn from."""


class TinyUNet(nn.Module):
    """(N, C, H, W) -> logits (N, 1, H, W); sides are multiples of 4."""

    def __init__(self, channels: int, wide: int = 16) -> None:
        super().__init__()
        self.down = nn.ModuleList([_twice(channels, wide), _twice(wide, 2 * wide), _twice(2 * wide, 4 * wide)])
        self.up = nn.ModuleList([_twice(6 * wide, 2 * wide), _twice(3 * wide, wide)])
        self.head = nn.Conv2d(wide, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        kept = []
        for block in self.down:
            x = block(x if not kept else F.max_pool2d(x, 2))
            kept.append(x)
        for block, beside in zip(self.up, reversed(kept[:-1]), strict=True):
            x = block(torch.cat([F.interpolate(x, scale_factor=2), beside], 1))
        return self.head(x)


def _twice(ins: int, outs: int) -> nn.Sequential:
    first, second = nn.Conv2d(ins, outs, 3, padding=1), nn.Conv2d(outs, outs, 3, padding=1)
    return nn.Sequential(first, nn.BatchNorm2d(outs), nn.ReLU(), second, nn.BatchNorm2d(outs), nn.ReLU())


def fit(pictures: Tensor, masks: Tensor, steps: int, augment: Augment, batch: int = 8) -> TinyUNet:
    """Train a network, from the same seed each time."""
    torch.manual_seed(0)
    network = TinyUNet(pictures.shape[1])
    optimizer = torch.optim.Adam(network.parameters(), lr=2e-3)
    generator = torch.Generator().manual_seed(0)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = 2e-3 * min(1, 2 * (1 - step / steps))
        chosen = torch.randint(len(pictures), (batch,), generator=generator)
        logits, truth = network(augment(pictures[chosen], chosen, generator)), masks[chosen]
        share = torch.sigmoid(logits)
        overlap = (2 * (share * truth).sum() + 1) / (share.sum() + truth.sum() + 1)
        loss = F.binary_cross_entropy_with_logits(logits, truth) + 1 - overlap
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return network.eval()


def dice(found: Tensor, truth: Tensor, patients: Tensor) -> float:
    """The mean over patients; found, truth (N, 1, H, W) of 0 and 1; patients (N,)."""
    each = []
    for patient in patients.unique():
        ours, true = found[patients == patient] > 0.5, truth[patients == patient] > 0.5
        each.append(2 * (ours & true).sum() / (ours.sum() + true.sum()).clamp(min=1))
    return float(torch.stack(each).mean())


@torch.no_grad()
def segment(network: nn.Module, pictures: Tensor) -> Tensor:
    return torch.cat([network(part) > 0 for part in pictures.split(32)])


def best_threshold(pictures: Tensor, truth: Tensor, patients: Tensor) -> float:
    """The Dice of all that lies between the two best values, chosen on these very pictures."""
    values = torch.linspace(-1, 1, 41)
    pairs = [(low, high) for i, low in enumerate(values) for high in values[i + 1 :]]
    return max(dice((pictures > low) & (pictures <= high), truth, patients) for low, high in pairs)


def side(data: Dataset, name: str) -> tuple[Tensor, Tensor, Tensor]:
    """Pictures, vessels and patients of a domain."""
    items = [data.item(i, torch.Generator().manual_seed(i)) for i in range(len(data))]
    pictures, masks, patients = (
        torch.stack([x[key] for x in items]) for key in (name, f"mask_{name}", f"volume_{name}")
    )
    return pictures, masks, patients


def compare(run: Path, steps: int, split: Split, patients: int | None) -> dict[str, dict[str, float]]:
    """Dice by what was learned from, on scans without contrast medium (a) and with it (b)."""
    model = gankit.load(run)
    data = model.dataset("train")
    if not {"mask_a", "mask_b"} <= dict(data.fields).keys():
        raise gankit.DataError(f"{run}: its data set has no masks of vessels; take a run of the recipe contrast-ct")
    shown, masks, owners = side(data, "b")
    if patients is not None:
        shown, masks = shown[owners < patients], masks[owners < patients]
    with torch.no_grad():
        plain = torch.cat([model.translate(part, "b2a") for part in shown.split(32)])
    own, own_masks, _ = side(data, "a")
    tests = {name: side(data.split(split), name) for name in "ab"}

    def as_they_are(pictures: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
        return pictures

    def other_light(pictures: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
        shift, gain = torch.rand(2, len(pictures), 1, 1, 1, generator=generator) - 0.5
        return ((pictures + 0.6 * shift) * (1 + gain)).clamp(-1, 1)

    def translated(pictures: Tensor, chosen: Tensor, generator: torch.Generator) -> Tensor:
        half = torch.rand(len(pictures), 1, 1, 1, generator=generator) < 0.5
        return torch.where(half, plain[chosen], pictures)

    learned = {
        "contrast scans": (shown, masks, as_they_are),
        "contrast scans in random brightness and contrast": (shown, masks, other_light),
        "contrast scans, half of them translated": (shown, masks, translated),
        "plain scans with outlines of their own, which nobody has": (own, own_masks, as_they_are),
    }
    found = {}
    for name, (pictures, truth, augment) in learned.items():
        network = fit(pictures, truth, steps, augment)
        found[name] = {s: dice(segment(network, x), mask, who) for s, (x, mask, who) in tests.items()}
    found["the best range of values, fitted to the test"] = {
        s: best_threshold(x[:, x.shape[1] // 2][:, None], mask, who) for s, (x, mask, who) in tests.items()
    }
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("run", type=Path, help="a trained run of contrast-ct")
    parser.add_argument("--steps", type=int, default=400, help="of each segmenter, of 8 slices (%(default)s)")
    parser.add_argument("--split", default="test", choices=["val", "test"], help="patients of the test (%(default)s)")
    parser.add_argument("--patients", type=int, help="so many patients with contrast medium to learn from; all")
    parser.add_argument("--json", action="store_true", help="print JSON")
    options = parser.parse_args()
    try:
        found = compare(options.run, options.steps, options.split, options.patients)
    except gankit.GankitError as error:
        sys.exit(f"augmentation.py: {error}")
    if options.json:
        print(json.dumps(found, indent=1))
        return
    print(f"{'Dice; learned from':58} without  with contrast medium")
    for name, row in found.items():
        print(f"{name:58} {row['a']:7.3f}  {row['b']:7.3f}")


if __name__ == "__main__":
    main()
