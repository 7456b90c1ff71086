from __future__ import annotations

import numpy as np
import pytest
import torch

from gankit.report.grids import GAP, HEADER, MARGIN, PAPER, colour, heat, overlay, sample_grid

MAGENTA = [1.0, 0.0, 1.0]


def test_colour_maps_the_range_and_repeats_grey() -> None:
    assert colour(torch.tensor([-1.0, 0.0, 1.0, 5.0]).view(1, 1, 4))[:, 0].tolist() == [[0, 0.5, 1, 1]] * 3


def test_heat_rises_in_lightness() -> None:
    light = heat(torch.linspace(0, 1, 50).view(1, 1, 50)).mean(0)[0]
    assert (light.diff() > 0).all()
    assert light[0] < 0.1 and light[-1] > 0.8


def test_overlay_blends_grey_and_heat_at_the_pictures_size() -> None:
    image = torch.tensor([1.0, -1.0, -1.0]).view(3, 1, 1).expand(3, 4, 6)
    drawn = overlay(image, torch.ones(1, 2, 3), strength=0.5)
    assert drawn.shape == (3, 4, 6)
    expected = (torch.full((3,), 1 / 3) + torch.tensor([252, 255, 190]) / 255) / 2
    assert torch.allclose(drawn[:, 2, 2], expected, atol=1e-6)


def test_what_is_not_finite_is_magenta() -> None:
    image, attention = torch.zeros(3, 1, 3), torch.zeros(1, 1, 3)
    image[1, 0, 0], attention[0, 0, 1] = float("inf"), float("nan")
    drawn = overlay(image, attention)
    assert drawn[:, 0, 0].tolist() == MAGENTA
    assert drawn[:, 0, 1].tolist() == MAGENTA
    assert drawn[:, 0, 2].tolist() != MAGENTA
    assert colour(image)[:, 0, 0].tolist() == MAGENTA


def test_grid_places_cells_and_leaves_missing_ones_empty() -> None:
    white = torch.ones(3, 8, 8)
    rows = [
        {"direction": "a2b", "source": white, "attention": torch.zeros(1, 4, 4), "output": -white},
        {"direction": "b2a", "source": torch.ones(1, 8, 4), "extra": white},
    ]
    grid = np.asarray(sample_grid(rows, cell=32))
    assert grid.shape == (HEADER + 2 * (32 + GAP), MARGIN + 4 * (32 + GAP), 3)
    centre = [MARGIN + i * (32 + GAP) + 16 for i in range(4)]
    first, second = HEADER + 16, HEADER + 32 + GAP + 16
    assert grid[first, centre[0]].tolist() == [255, 255, 255]
    assert grid[first, centre[2]].tolist() == [0, 0, 0]
    assert grid[first, centre[3]].tolist() == list(PAPER)  # no `extra` in the first row
    assert grid[second, centre[1]].tolist() == list(PAPER)  # no attention in the second
    assert grid[second, MARGIN + 8].tolist() == [255, 255, 255]  # half as wide as high: 16 x 32
    assert grid[second, MARGIN + 24].tolist() == list(PAPER)
    assert (grid[:HEADER, MARGIN:] > 150).any() and (grid[HEADER:, :MARGIN] > 150).any()  # labels are written


def test_attention_is_drawn_over_the_source() -> None:
    grid = sample_grid([{"source": torch.full((3, 4, 4), 0.5), "attention": torch.ones(1, 4, 4)}], cell=16)
    expected = overlay(torch.full((3, 4, 4), 0.5), torch.ones(1, 4, 4))[:, 0, 0] * 255
    assert np.asarray(grid)[HEADER + 8, GAP + 16 + GAP + 8].tolist() == expected.round().tolist()


def test_an_empty_grid_is_refused() -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        sample_grid([{"direction": "a2b"}])
