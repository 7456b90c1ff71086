"""Pairs of two scales, for the experiments."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from PIL import Image

from benchmarks.scales import draw_pairs, measured
from gankit import train
from gankit.data.shapes import Shapes


def test_pairs_are_those_of_the_drawing_and_are_measured_at_two_scales(tmp_path: Path) -> None:
    folder = draw_pairs(tmp_path / "pairs", 3, 48, {"train": 4, "test": 2})
    item = Shapes(task="texture", size=48, seed=3, train=4, test=2, paired=True, cache=False).split("test").item(1)
    for side in "ab":
        drawn = np.asarray(Image.open(tmp_path / "pairs" / side.upper() / "test" / "0001.png"), float) / 127.5 - 1
        assert np.abs(drawn - item[side].permute(1, 2, 0).numpy()).max() <= 1 / 255 + 1e-6
    network = "method.generator={type: resnet, channels: 2, blocks: 1}"
    data = f"data={{type: paired, root: {folder}, preprocess: crop, crop_size: 24}}"
    train("demo-pix2pix", tmp_path / "run", sets=[data, network, "train.measure=null", "train.steps=1"], device="cpu")
    own, half = (measured(tmp_path / "run", preprocess) for preprocess in ("crop", "resize_and_crop"))
    assert [row["metric"] for row in own] == ["l1", "psnr"] == [row["metric"] for row in half]
    assert own[0]["trivial"]["input"] != half[0]["trivial"]["input"]
