"""Drawn pairs as files, for the experiment with scales."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.scales import draw_pairs
from gankit.data.shapes import Shapes


def test_pairs_are_those_of_the_drawing(tmp_path: Path) -> None:
    draw_pairs(tmp_path / "pairs", 3, 48, {"train": 4, "test": 2})
    item = Shapes(task="texture", size=48, seed=3, train=4, test=2, paired=True, cache=False).split("test").item(1)
    for side in "ab":
        drawn = np.asarray(Image.open(tmp_path / "pairs" / side.upper() / "test" / "0001.png"), float) / 127.5 - 1
        assert np.abs(drawn - item[side].permute(1, 2, 0).numpy()).max() <= 1 / 255 + 1e-6
