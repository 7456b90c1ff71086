"""Pictures of the drawn data set as files, for methods that read folders: inpainting, super-resolution, denoising."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from gankit.data.dataset import Split
from gankit.data.shapes import Shapes

NOISE = 0.35
"""Of the noisy objects, standard deviation in [-1, 1]."""


def draw_pictures(folder: Path, size: int = 96, train: int = 400, test: int = 100) -> Path:
    """`train` and `test`: scenes of strong stripes; below `noisy` pairs, in folders `A` and `B` of both: A with
    noise on its objects only, B without. What is there already stays."""
    counts: dict[Split, int] = {"train": train, "test": test}
    for name, count in counts.items():
        scenes = Shapes(size=size, train=train, test=test, seed=7, paired=True, cache=False).split(name)
        for i in range(count):
            if (folder / "noisy" / name / "A" / f"{i:04}.png").is_file():
                continue
            item = scenes.item(i)
            generator = torch.Generator().manual_seed(len(name) * 100_000 + i)
            noise = NOISE * torch.randn(item["b"].shape, generator=generator)
            save(item["b"], folder / name / f"{i:04}.png")
            save(item["b"], folder / "noisy" / name / "B" / f"{i:04}.png")
            save(item["b"] + noise * item["mask_b"], folder / "noisy" / name / "A" / f"{i:04}.png")
    return folder


def save(picture: Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = ((picture.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).numpy().astype(np.uint8)
    Image.fromarray(values).save(path)
