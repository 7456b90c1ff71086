"""Pictures of the drawn data set as files, for methods that read folders: inpainting, super-resolution."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image
from torch import Tensor

from gankit.data.dataset import Split
from gankit.data.shapes import Shapes


def draw_pictures(folder: Path, size: int = 96, train: int = 400, test: int = 100) -> Path:
    """`train` and `test`: scenes of strong stripes. What is there already stays."""
    counts: dict[Split, int] = {"train": train, "test": test}
    for name, count in counts.items():
        scenes = Shapes(size=size, train=train, test=test, seed=7, paired=True, cache=False).split(name)
        for i in range(count):
            path = folder / name / f"{i:04}.png"
            if not path.is_file():
                save(scenes.item(i)["b"], path)
    return folder


def save(picture: Tensor, path: Path) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    values = ((picture.clamp(-1, 1) + 1) * 127.5).round().permute(1, 2, 0).numpy().astype(np.uint8)
    Image.fromarray(values).save(path)
