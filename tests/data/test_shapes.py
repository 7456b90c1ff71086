"""The drawn scenes: what is said to be the truth is the truth, and both domains share all but the objects."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from gankit.data.scenes import (
    NOISE,
    RESHAPED,
    Task,
    draw_background,
    draw_colour,
    draw_hue,
    draw_scene,
    draw_shape,
    render,
    turned,
)
from gankit.data.shapes import Shapes
from gankit.data.stamps import Shape
from gankit.evaluation.evaluate import evaluate
from tests.evaluation.fakes import Brighten

TASKS: tuple[Task, ...] = ("texture", "geometry", "colour", "season", "light", "noise", "mixed")
EVERYWHERE = ("season", "light")
"""The tasks that change the whole picture."""
seeds = st.integers(0, 2**40)
few = settings(max_examples=25, deadline=None)


@few
@given(seeds, st.integers(16, 96), st.sampled_from(("texture", "colour")))
def test_only_objects_change(seed: int, size: int, task: Task):
    scene = draw_scene(np.random.default_rng(seed), task, size)
    before, after = scene["a"], scene["b"]
    mask = before.mask.bool()[0]
    assert torch.equal(before.mask, after.mask)
    differs = (before.picture != after.picture).any(0)
    assert not differs[~mask].any()
    assert differs[mask].float().mean() > 0.7  # where one stripe passes into the next, both contrasts are nearly 0


@few
@given(seeds, st.integers(16, 96))
def test_noise_is_on_objects_alone(seed: int, size: int):
    scene = draw_scene(np.random.default_rng(seed), "noise", size)
    noisy, clean = (scene[domain].picture.float() for domain in ("a", "b"))
    inside = scene["a"].mask.bool()[0]
    assert torch.equal(scene["a"].mask, scene["b"].mask)
    assert torch.equal(noisy[:, ~inside], clean[:, ~inside])
    # Of values in the middle of the range only what is beyond 1.5 sigma may be cut off.
    shown = (clean[:, inside] > 60) & (clean[:, inside] < 195)
    noise = (noisy - clean)[:, inside][shown]
    assert noise.mean().abs() < 6 * 255 * NOISE / len(noise) ** 0.5 + 3
    assert noise.std() == pytest.approx(255 * NOISE, rel=0.25)


def test_a_noise_moves_nothing_else():
    plain, noisy = (draw_scene(np.random.default_rng(5), task, 64) for task in ("texture", "noise"))
    assert torch.equal(plain["b"].picture, noisy["b"].picture)


@few
@given(seeds, st.integers(16, 96), st.sampled_from(RESHAPED))
def test_only_what_disc_or_star_covers_changes(seed: int, size: int, task: Task):
    scene = draw_scene(np.random.default_rng(seed), task, size)
    disc, star = scene["a"], scene["b"]
    covered = (disc.mask | star.mask).bool()[0]
    assert not (disc.picture != star.picture).any(0)[~covered].any()
    assert not (star.mask.bool() & ~disc.mask.bool()).any()  # the star lies in its disc
    assert 0.25 < star.mask.sum() / disc.mask.sum() < 0.55  # and no object hides another


@few
@given(seeds)
def test_every_pixel_changes_with_the_season_and_can_be_told_back(seed: int):
    scene = draw_scene(np.random.default_rng(seed), "season", 48)
    summer, autumn = (scene[domain].picture.float().numpy() for domain in ("a", "b"))
    assert (summer != autumn).any(0).mean() > 0.95
    free = scene["a"].mask[0].numpy() == 0
    leaves = np.stack([autumn[1], autumn[0]]) / 0.8
    assert np.abs(leaves - summer[:2])[:, free].max() <= 1.5  # the rounding of both


@few
@given(seeds)
def test_a_light_can_be_told_back(seed: int):
    scene = draw_scene(np.random.default_rng(seed), "light", 48)
    grey, lit = (scene[domain].picture.float() for domain in ("a", "b"))
    assert (grey == grey[0]).all()
    assert torch.equal(lit.amax(0), grey[0])
    light = (lit / grey).flatten(1).median(1).values
    assert (lit - grey * light[:, None, None]).abs().max() <= 3  # the rounding of both
    assert torch.equal(scene["a"].mask, scene["b"].mask)


@pytest.mark.parametrize("task", ["light", "geometry"])
def test_no_negative_looks_right(task: Task):
    shapes = Shapes(task=task, size=32, train=40)
    for item in (shapes.item(i) for i in range(40)):
        inside, tones = item["mask_a"].bool(), item["a"][:1]
        assert tones[inside].mean() > tones[~inside].mean()


def test_examples_are_other_scenes_in_the_light_of_the_truth():
    for paired in (False, True):
        shapes = Shapes(task="light", size=32, train=6, paired=paired)
        for item in (shapes.item(i) for i in range(6)):
            hues = [(x + 1).flatten(1).mean(1) for x in (item["truth_a2b"], item["example_a2b"], item["b"])]
            truth, example, other = (hue / hue.amax() for hue in hues)
            assert torch.allclose(truth, example, atol=0.01)
            assert not torch.equal(item["truth_a2b"], item["example_a2b"])
            assert paired or not torch.allclose(truth, other, atol=0.01)
            assert (item["example_b2a"] == item["example_b2a"][0]).all()
            assert not torch.equal(item["example_b2a"], item["truth_b2a"])
        assert shapes.fields.keys() == item.keys()


@few
@given(seeds)
def test_hues_have_one_counterpart(seed: int):
    rng = np.random.default_rng(seed)
    colour = draw_hue(rng, 1)
    there = turned(colour, np.pi / 3)
    assert np.allclose(turned(tuple(there), -np.pi / 3), colour)
    assert there.mean() == pytest.approx(np.mean(colour)) and min(*colour, *there) >= 0 and max(*colour, *there) <= 1


def test_yellow_objects_are_lighter():
    colours = np.array([draw_hue(np.random.default_rng(seed), 1) for seed in range(400)])
    assert np.corrcoef(colours[:, 1] - colours[:, 2], colours.mean(1))[0, 1] > 0.6


@pytest.mark.parametrize("task", TASKS)
def test_trivial_answers_are_far_from_good(task: Task):
    for row in evaluate(Brighten(attends=False), Shapes(task=task, size=48, test=60, seed=11)):
        if row.metric == "translation_error":
            assert row.trivial["input"] == 1
            assert (row.trivial["best constant"] or 0) > (0.5 if task == "mixed" else 0.6)
        if (
            task == "season" and row.metric == "translation_error"
        ):  # all of the picture is filled, not its objects alone
            assert (row.trivial["true mean"] or 9) < (row.trivial["best constant"] or 0)
        if row.metric == "silhouette_iou":
            assert max(row.trivial[name] or 0 for name in ("input", "best constant", "true mean")) < 0.75
        if row.metric == "colour_slope":
            assert abs(row.trivial["best constant"] or 0) < 0.01


def test_distractors_are_the_same_in_both_domains():
    bare, more = (draw_scene(np.random.default_rng(3), "texture", 64, 0.03, count) for count in (0, 3))
    assert torch.equal(bare["a"].mask, more["a"].mask)  # they lie behind the objects and count as background
    added = (bare["a"].picture != more["a"].picture).any(0) & ~bare["a"].mask.bool()[0]
    assert added.float().mean() > 0.02
    assert torch.equal(more["a"].picture[:, added], more["b"].picture[:, added])


@pytest.mark.parametrize("task", TASKS)
def test_the_mask_is_where_the_object_hides_the_background(task: Task):
    for seed in range(20):
        scene = draw_scene(np.random.default_rng(seed), task, 64)
        again = np.random.default_rng(seed)
        colours = draw_colour(again, task), draw_colour(again, task)
        bare = np.rint(draw_background(again, 64, *colours, even=task in RESHAPED) * 255)
        for rendering in scene.values() if task not in EVERYWHERE else ():
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


def test_both_contrasts_have_one_mean():
    wrong = []
    for seed in range(40):
        scene = draw_scene(np.random.default_rng(seed), "texture", 64)
        inside = scene["a"].mask.bool()[0]
        gap = (scene["a"].picture.float() - scene["b"].picture.float())[:, inside]
        wrong.append(gap.mean().item())
        assert gap.abs().mean() > 25  # of 255: clearly visible
    assert abs(np.mean(wrong)) < 2.5


@pytest.mark.parametrize("task", [task for task in TASKS if task not in EVERYWHERE])
def test_backgrounds_have_one_distribution(task: Task):
    """Pixels that no object hides in either drawing: same mean, spread and grain in both domains."""
    data = Shapes(task=task, train=300, size=32, cache=False)
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
    palette = (draw_colour(rng, "texture"), draw_colour(rng, "texture"))
    shared = [draw_shape(rng, "texture", palette).colour in palette for _ in range(300)]
    assert 70 < sum(shared) < 130


@pytest.mark.parametrize("task", TASKS)
def test_items(task: Task):
    data = Shapes(task=task, size=48, train=5, test=3, seed=7)
    assert (len(data), len(data.split("test"))) == (5, 3)
    item = data.item(4)
    for name in ("a", "b", "truth_a2b", "truth_b2a"):
        assert item[name].shape == (3, 48, 48) and item[name].dtype == torch.float32
        assert item[name].min() >= -1 and item[name].max() <= 1
    for name in ("mask_a", "mask_b", "mask_a2b", "mask_b2a"):
        assert item[name].shape == (1, 48, 48) and set(item[name].unique().tolist()) == {0.0, 1.0}
    with pytest.raises(IndexError):
        data.item(5)


def test_an_item_is_a_function_of_seed_split_and_index():
    first, again = Shapes(size=32, train=9, seed=3), Shapes(size=32, train=9, seed=3, cache=False)
    for index in (8, 0, 8):  # from the drawing and from the cache, in any order
        for name, tensor in first.item(index).items():
            assert torch.equal(tensor, again.item(index)[name])
    others = [Shapes(size=32, train=9, seed=4), first.split("test"), first.split("val")]
    pictures = [d.item(0)["a"] for d in (first, *others)] + [first.item(1)["a"], first.item(0)["b"]]
    for i, one in enumerate(pictures):
        assert not any(torch.equal(one, other) for other in pictures[i + 1 :])


def test_a_served_item_may_be_changed():
    data = Shapes(size=32, train=2)
    before = data.item(0)["a"].clone()
    data.item(0)["a"].zero_()
    assert torch.equal(data.item(0)["a"], before)


def test_pairs_are_a_scene_and_its_counterpart():
    apart, together = (Shapes(task="geometry", size=32, paired=paired).item(5) for paired in (False, True))
    assert torch.equal(together["b"], apart["truth_a2b"]) and not torch.equal(apart["b"], apart["truth_a2b"])
    assert torch.equal(together["truth_b2a"], apart["a"]) and torch.equal(together["truth_a2b"], apart["truth_a2b"])
    assert torch.equal(together["mask_b"], apart["mask_a2b"]) and torch.equal(together["mask_b2a"], apart["mask_a"])
