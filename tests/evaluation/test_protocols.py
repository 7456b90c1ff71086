"""Resizing, against PIL, torch and TensorFlow's formula."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor
from torch.nn import functional as F

from gankit.evaluation.protocols import PROTOCOLS


def noise(height: int, width: int) -> Tensor:
    return torch.randint(0, 256, (1, 3, height, width), generator=torch.Generator().manual_seed(0)).float()


@pytest.mark.parametrize("side", [24, 97])
def test_clean_is_pil_on_floats_channel_by_channel(side: int) -> None:
    picture = noise(64, 50)
    theirs = [
        np.asarray(Image.fromarray(channel.numpy()).resize((side, side), Image.Resampling.BICUBIC))
        for channel in picture[0]
    ]
    ours = PROTOCOLS["clean"].resize(picture, side)[0]
    assert float((ours - torch.from_numpy(np.stack(theirs))).abs().max()) < 0.05  # of 255


def test_clean_does_not_round_and_keeps_what_overshoots() -> None:
    ours = PROTOCOLS["clean"].resize(noise(20, 20), 50)
    assert ours.min() < 0 and ours.max() > 255 and not torch.equal(ours, ours.round())


def test_legacy_pytorch_takes_points() -> None:
    picture = torch.arange(8.0).repeat(8, 1)[None, None]
    assert PROTOCOLS["legacy-pytorch"].resize(picture, 4)[0, 0, 0].tolist() == [0.5, 2.5, 4.5, 6.5]
    assert torch.equal(
        PROTOCOLS["legacy-pytorch"].resize(noise(30, 20), 11),
        F.interpolate(noise(30, 20), (11, 11), mode="bilinear", align_corners=False),
    )


def test_legacy_tf_begins_at_the_corner() -> None:
    resize = PROTOCOLS["legacy-tf"].resize
    row = torch.tensor([0.0, 10.0, 40.0]).repeat(3, 1)[None, None]
    # places 0, 3/4, 6/4, 9/4: between 0 and 10, between 10 and 40, and the last pixel again
    assert resize(row, 4)[0, 0, 0].tolist() == [0, 7.5, 25, 40]
    assert resize(row.transpose(2, 3), 4)[0, 0, :, 0].tolist() == [0, 7.5, 25, 40]
    # shrunk by 2: each second pixel, nothing of the others
    assert resize(torch.arange(8.0).repeat(8, 1)[None, None], 4)[0, 0, 0].tolist() == [0, 2, 4, 6]
    assert torch.equal(resize(noise(9, 9), 9), noise(9, 9))


def test_each_is_named_with_its_version() -> None:
    assert [str(p).split(":")[0] for p in PROTOCOLS.values()] == ["clean v1", "legacy-pytorch v1", "legacy-tf v1"]
