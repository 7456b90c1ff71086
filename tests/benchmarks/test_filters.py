"""The filters beside which learned denoising stands."""

from __future__ import annotations

import torch

from benchmarks.filters import best, blurred, error, median
from gankit.data.shapes import Shapes


def test_a_median_takes_single_pixels_away() -> None:
    picture = torch.zeros(1, 3, 9, 9)
    picture[..., 4, 4] = 1
    assert median(picture, 3).abs().max() == 0
    assert 0 < blurred(picture, 1).max() < 0.5


def test_errors_are_those_of_the_objects_over_that_of_the_input() -> None:
    shapes = Shapes(task="noise", size=64, train=4)
    items = [shapes.item(i) for i in range(4)]
    assert error(items, lambda picture: picture) == 1
    found = best(items)
    assert all(found[name][1] < 1 for name in ("Gaussian blur", "median"))
    assert error(items, lambda picture: blurred(picture, found["Gaussian blur"][0])) == found["Gaussian blur"][1]
