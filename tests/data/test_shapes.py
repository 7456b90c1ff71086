"""The drawn scenes: what is said to be the truth is the truth, and both domains share all but the objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gankit.data.scenes import Shape, draw_background, draw_colour, draw_scene, draw_shape, render
from gankit.data.shapes import Shapes

TASKS = ("texture", "geometry")
seeds = st.integers(0, 2**40)
few = settings(max_examples=25, deadline=None)


@few
@given(seeds, st.integers(16, 96))
def test_texture_changes_objects_and_nothing_else(seed: int, size: int):
    scene = draw_scene(np.random.default_rng(seed), "texture", size)
    plain, striped = scene["a"], scene["b"]
    mask = plain.mask.bool()[0]
    assert torch.equal(plain.mask, striped.mask)
    differs = (plain.picture != striped.picture).any(0)
    assert not differs[~mask].any()
    assert differs[mask].float().mean() > 0.7  # where one stripe passes into the next, the mean is the plain colour


@few
@given(seeds, st.integers(16, 96))
def test_geometry_changes_only_what_disc_or_star_covers(seed: int, size: int):
    scene = draw_scene(np.random.default_rng(seed), "geometry", size)
    disc, star = scene["a"], scene["b"]
    covered = (disc.mask | star.mask).bool()[0]
    assert not (disc.picture != star.picture).any(0)[~covered].any()
    assert star.mask.sum() < 0.6 * disc.mask.sum() or disc.mask.float().mean() > 0.3  # stars may overlap into a blob


@pytest.mark.parametrize("task", TASKS)
def test_the_mask_is_where_the_object_hides_the_background(task: str):
    for seed in range(20):
        scene = draw_scene(np.random.default_rng(seed), task, 64)  # type: ignore[arg-type]
        again = np.random.default_rng(seed)
        colours = draw_colour(again), draw_colour(again)
        bare = np.rint(draw_background(again, 64, *colours) * 255)
        for rendering in scene.values():
            hidden = (rendering.picture.permute(1, 2, 0).numpy() != bare).any(-1)
            mask = rendering.mask[0].numpy().astype(bool)
            assert not hidden[~mask].any()
            assert hidden[mask].mean() > 0.97
            assert 0.03 < mask.mean() < 0.7


def test_the_mask_of_a_disc_is_its_area():
    disc = Shape(0.5, 0.5, 0.3, 0, 1, 0, 1, (0.6, 0.6, 0.6), 0)
    drawn = render(np.zeros((64, 64, 3)), [disc], "texture")["a"]
    mask = drawn.mask[0].bool()
    assert abs(mask.sum().item() / 64**2 - np.pi * 0.3**2) < 0.003
    values = drawn.picture[0].float() / 255
    assert values[mask].min() >= 0.3 and (values[~mask] == 0).all()  # at least half covered, or not at all
    assert ((values > 0.3) & (values < 0.59)).sum() > 20  # the edge is smooth


def test_the_plain_colour_is_the_mean_of_its_stripes():
    wrong = []
    for seed in range(40):
        scene = draw_scene(np.random.default_rng(seed), "texture", 64)
        inside = scene["a"].mask.bool()[0]
        gap = (scene["a"].picture.float() - scene["b"].picture.float())[:, inside]
        wrong.append(gap.mean().item())
        assert gap.abs().mean() > 35  # of 255: clearly visible
    assert abs(np.mean(wrong)) < 2.5


@pytest.mark.parametrize("task", TASKS)
def test_backgrounds_have_one_distribution(task: str):
    """Pixels that no object hides in either drawing: same mean, spread and grain in both domains."""
    data = Shapes(task=task, train=300, size=32, cache=False)  # type: ignore[arg-type]
    features: dict[str, list] = {"a": [], "b": []}
    for i in range(len(data)):
        item = data.item(i)
        for domain in features:
            free = item[f"mask_{domain}"][0] == 0
            pixels = item[domain][:, free]
            pairs = free[:, 1:] & free[:, :-1]
            steps = item[domain].diff(dim=2).abs()[:, pairs].mean()
            features[domain].append([*pixels.mean(1).tolist(), pixels.std().item(), steps.item()])
    a, b = np.array(features["a"]), np.array(features["b"])
    error = np.sqrt(a.var(0) / len(a) + b.var(0) / len(b))
    assert (np.abs(a.mean(0) - b.mean(0)) < 4 * error).all()
    assert not np.array_equal(a, b)  # independent scenes


def test_objects_share_the_colours_of_backgrounds():
    rng = np.random.default_rng(0)
    palette = (draw_colour(rng), draw_colour(rng))
    shared = [draw_shape(rng, "texture", palette).colour in palette for _ in range(300)]
    assert 70 < sum(shared) < 130


@pytest.mark.parametrize("task", TASKS)
def test_items(task: str):
    data = Shapes(task=task, size=48, train=5, test=3, seed=7)  # type: ignore[arg-type]
    assert (len(data), len(data.split("test"))) == (5, 3)
    item = data.item(4)
    for name in ("a", "b", "truth_a2b", "truth_b2a"):
        assert item[name].shape == (3, 48, 48) and item[name].dtype == torch.float32
        assert item[name].min() >= -1 and item[name].max() <= 1
    for name in ("mask_a", "mask_b"):
        assert item[name].shape == (1, 48, 48) and set(item[name].unique().tolist()) == {0.0, 1.0}
    with pytest.raises(IndexError):
        data.item(5)


def test_an_item_is_a_function_of_seed_split_and_index():
    first, again = Shapes(size=32, train=9, seed=3), Shapes(size=32, train=9, seed=3, cache=False)
    for index in (8, 0, 8):  # from the drawing and from the cache, in any order
        for name, tensor in first.item(index).items():
            assert torch.equal(tensor, again.item(index)[name])
    others = [Shapes(size=32, train=9, seed=4), first.split("test")]
    pictures = [d.item(0)["a"] for d in (first, *others)] + [first.item(1)["a"], first.item(0)["b"]]
    for i, one in enumerate(pictures):
        assert not any(torch.equal(one, other) for other in pictures[i + 1 :])


def test_a_served_item_may_be_changed():
    data = Shapes(size=32, train=2)
    before = data.item(0)["a"].clone()
    data.item(0)["a"].zero_()
    assert torch.equal(data.item(0)["a"], before)
