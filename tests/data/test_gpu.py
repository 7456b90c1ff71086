"""Batches that travel to a GPU: pinned, and cut and flipped there."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from gankit.data.loader import make_loader
from gankit.data.single import Single
from tests.gpu import DEVICE, MARKS

pytestmark = MARKS


@pytest.mark.parametrize("place_on_device", [False, True], ids=["cut here", "cut there"])
@pytest.mark.parametrize("workers", [0, 2])
def test_batches_have_the_bits_of_those_of_a_cpu(tmp_path: Path, workers: int, place_on_device: bool) -> None:
    for i in range(5):
        pixels = np.random.default_rng(i).integers(0, 256, (40 + i, 50, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(tmp_path / f"{i}.png")
    data = Single(root=str(tmp_path), train=".", load_size=36, crop_size=24)
    here = list(make_loader(data, 2))
    loader = make_loader(data, 2, workers=workers, device=DEVICE, place_on_device=place_on_device)
    assert loader.batches.pin_memory == (DEVICE.type == "cuda")
    for _ in range(2):  # an epoch is loaded twice: no buffer of the first is written to
        there = list(loader)
        assert len(there) == len(here)
        for ours, theirs in zip(there, here, strict=True):
            assert ours["a"].device.type == DEVICE.type and torch.equal(ours["a"].cpu(), theirs["a"])
