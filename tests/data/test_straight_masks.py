"""Drawn holes with straight sides: rectangles, a box in the centre, borders."""

from __future__ import annotations

import itertools
from pathlib import Path

import pytest
import torch
from scipy import ndimage

from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.data.inpainting import InpaintingFolder
from gankit.data.inpainting_masks import draw_hole
from tests.data.test_folders import SIZES, draw, fill


def boxes(hole: torch.Tensor) -> list[tuple[slice, slice]]:
    """The connected parts of a hole, each as the rectangle around it."""
    found, _ = ndimage.label(hole[0].numpy())
    return ndimage.find_objects(found)


@pytest.mark.parametrize("number", [1, 3])
def test_rectangles_take_the_share_to_a_row_or_column(number: int) -> None:
    for seed, share in itertools.product(range(8), ((0.05, 0.05), (0.1, 0.5), (0.9, 0.9))):
        hole = draw_hole(96, 64, share, draw(seed), "rectangles", number)
        taken = hole.mean().item()
        assert share[0] <= taken <= share[1] if share == (0.1, 0.5) else abs(taken - share[0]) <= 0.03
        assert torch.equal(hole, draw_hole(96, 64, share, draw(seed), "rectangles", number))
        if number == 1:
            ((rows, columns),) = boxes(hole)
            assert hole.sum() == (rows.stop - rows.start) * (columns.stop - columns.start)
            ratio = (rows.stop - rows.start) / (columns.stop - columns.start) / 1.5  # the picture's is 3 : 2
            assert share[0] > 0.5 or 0.4 < ratio < 2.5


def test_rectangles_lie_anywhere_and_are_as_many_as_asked_for() -> None:
    holes = [draw_hole(64, 64, (0.05, 0.1), draw(seed), "rectangles", 4) for seed in range(60)]
    assert {len(boxes(hole)) for hole in holes} >= {3, 4} and max(len(boxes(hole)) for hole in holes) == 4
    covered = torch.stack(holes).amax(0)
    assert covered.mean() > 0.85


@pytest.mark.parametrize(("height", "width"), [(64, 64), (64, 48)])
def test_a_quarter_in_the_centre_is_half_of_each_side(height: int, width: int) -> None:
    expected = torch.zeros(1, height, width)
    expected[:, height // 4 : height - height // 4, width // 4 : width - width // 4] = 1
    for seed in range(2):
        assert torch.equal(draw_hole(height, width, (0.25, 0.25), draw(seed), "centre"), expected)


@pytest.mark.parametrize(
    ("sides", "kept"),
    [
        (["right"], (slice(0, 32), slice(0, 36))),
        (["left", "right"], (slice(0, 32), slice(6, 42))),
        (["top"], (slice(8, 32), slice(0, 48))),
        (["left", "right", "top", "bottom"], (slice(2, 30), slice(3, 45))),
        (["bottom", "left"], (slice(0, 28), slice(6, 48))),
    ],
)
def test_borders_on_chosen_sides(sides: list, kept: tuple[slice, slice]) -> None:
    expected = torch.ones(32, 48)
    expected[kept] = 0
    share = expected.mean().item()
    assert torch.equal(draw_hole(32, 48, (share, share), draw(0), "border", sides=sides)[0], expected)


def test_the_share_of_a_border_is_drawn() -> None:
    shares = [draw_hole(64, 64, (0.2, 0.6), draw(seed), "border").mean().item() for seed in range(20)]
    assert 0.2 <= min(shares) < 0.3 and 0.5 < max(shares) <= 0.6


def test_no_hole_is_empty_or_whole() -> None:
    for drawing, share in itertools.product(("rectangles", "centre", "border"), (0.01, 0.99)):
        hole = draw_hole(12, 12, (share, share), draw(0), drawing)
        assert 0 < hole.mean() < 1
    with pytest.raises(ValueError, match="in 2 x 2 px there is no room for such a hole"):
        draw_hole(2, 2, (0.25, 0.5), draw(0), "centre")


def test_from_a_recipe(tmp_path: Path) -> None:
    fill(tmp_path / "train", range(2))
    fill(tmp_path / "test", range(3))
    share = {"hole_min": 0.25, "hole_max": 0.5}
    options = {"root": str(tmp_path), "drawing": "border", "sides": ("right",), **share, **SIZES}
    train = InpaintingFolder(**options)
    test = train.split("test")

    def width(data: InpaintingFolder, index: int, seed: int) -> int:
        hole = data.item(index, draw(seed))["mask"][0]
        columns = int(hole[0].sum())
        assert hole[:, : 16 - columns].sum() == 0 and bool(hole[:, 16 - columns :].all()) and 4 <= columns <= 8
        return columns

    assert len({width(train, 0, seed) for seed in range(12)}) > 2
    assert [width(test, i, 1) for i in range(3)] == [width(test, i, 2) for i in range(3)]
    recipe = Path(__file__).parents[2] / "recipes" / "lbam.yaml"
    assert Recipe.load(recipe, ["data.drawing=rectangles", "data.rectangles=2"]).data.rectangles == 2
    with pytest.raises(RecipeError, match="'left', 'right', 'top' or 'bottom'"):
        Recipe.load(recipe, ["data.drawing=border", "data.sides=[up]"])
