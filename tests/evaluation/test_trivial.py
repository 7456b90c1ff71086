"""Answers that need no training, and the figures that are judged beside them."""

from __future__ import annotations

import pytest
import torch

from gankit.evaluation.metrics import L1, PSNR
from gankit.evaluation.object_metrics import AttentionIoU, BackgroundPSNR, ColourSlope, SilhouetteIoU, TranslationError
from gankit.evaluation.trivial import CONSTANT, EVERYWHERE, INPUT, MEAN, Trivial, judged_by_truth


def scene(count: int = 4) -> dict[str, torch.Tensor]:
    generator = torch.Generator().manual_seed(0)
    truth, source = (torch.rand(count, 3, 8, 8, generator=generator) * 2 - 1 for _ in range(2))
    objects = torch.zeros(count, 1, 8, 8)
    objects[..., :4] = 1
    return {"source": source, "truth": truth, "objects": objects, "mask": objects, "attention": objects}


def test_no_constant_is_better_than_the_best() -> None:
    tensors, trivial = scene(), Trivial()
    for part in (slice(0, 1), slice(1, 4)):
        trivial.fit("a2b", {name: x[part] for name, x in tensors.items()})
    inside = tensors["truth"][..., :4]
    best = trivial.constant("a2b")
    assert best is not None and trivial.constant("b2a") is None
    error = (inside - best).abs().mean((0, 2, 3))
    for other in torch.linspace(-1, 1, 41):
        assert ((inside - other).abs().mean((0, 2, 3)) >= error - 1e-3).all()


def test_answers_change_the_objects_alone() -> None:
    tensors, trivial = scene(), Trivial()
    trivial.fit("a2b", tensors)
    answers = trivial.answers("a2b", tensors, L1())
    assert list(answers) == [INPUT, CONSTANT, MEAN]
    for name in (CONSTANT, MEAN):
        output = answers[name]["output"]
        assert torch.equal(output[..., 4:], tensors["source"][..., 4:])
        assert torch.allclose(output[..., :4].std((2, 3)), torch.zeros(4, 3), atol=1e-6)
    assert torch.allclose(answers[MEAN]["output"][..., 0, 0], tensors["truth"][..., :4].mean((2, 3)), atol=1e-6)
    assert torch.equal(trivial.answers("a2b", tensors, AttentionIoU())[EVERYWHERE]["attention"], torch.ones(4, 1, 8, 8))


def test_no_answer_is_filled_into_the_outline_that_it_is_judged_by() -> None:
    tensors, trivial = scene(), Trivial()
    tensors["mask"] = (torch.arange(8) < 2).float().expand(4, 1, 8, 8)  # narrower than the objects of both
    tensors["truth_mask"] = tensors["objects"]
    trivial.fit("a2b", tensors)
    for metric, name, kept in (
        (SilhouetteIoU(), CONSTANT, True),
        (SilhouetteIoU(), MEAN, True),
        (L1(), CONSTANT, False),
    ):
        output = trivial.answers("a2b", tensors, metric)[name]["output"]
        assert torch.equal(output[..., 2:], tensors["source"][..., 2:]) is kept
        assert not torch.equal(output[..., :2], tensors["source"][..., :2])


def test_without_objects_the_whole_picture_is_filled_and_other_sizes_have_no_input() -> None:
    tensors = {"source": torch.zeros(2, 3, 4, 4), "truth": scene(2)["truth"]}
    trivial = Trivial()
    trivial.fit("a2b", tensors)
    answers = trivial.answers("a2b", tensors, PSNR())
    assert list(answers) == [CONSTANT, MEAN] and (answers[CONSTANT]["output"].std((2, 3)) < 1e-6).all()
    hole = {**tensors, "hole": (torch.arange(8) < 2).float().expand(2, 1, 8, 8)}
    assert torch.equal(trivial.answers("a2b", hole, PSNR())[MEAN]["output"][..., 2:], tensors["truth"][..., 2:])


def test_where_a_metric_judges_within_a_mask_the_answers_are_made_there() -> None:
    class Inside(PSNR):
        within = "body"

    scenes = scene()
    tensors = {"source": scenes["source"], "truth": scenes["truth"], "body": scenes["objects"]}
    trivial = Trivial(["body"])
    trivial.fit("a2b", tensors)
    inside, whole = trivial.constant("a2b", "body"), trivial.constant("a2b")
    assert inside is not None and whole is not None and not torch.equal(inside, whole)
    output = trivial.answers("a2b", tensors, Inside())[CONSTANT]["output"]
    assert torch.equal(output[..., :4], inside.expand(4, 3, 8, 4))
    assert torch.equal(output[..., 4:], tensors["source"][..., 4:])


@pytest.mark.parametrize(
    ("metric", "judged"),
    [(L1(), True), (TranslationError(), True), (AttentionIoU(), True), (BackgroundPSNR(), False)],
    ids=lambda x: type(x).__name__,
)
def test_what_is_judged_by_the_truth(metric, judged: bool) -> None:
    assert judged_by_truth(metric) == judged


def test_the_slope_is_that_of_the_line() -> None:
    tensors, metric = scene(), ColourSlope()
    truth, objects = tensors["truth"] * 0.8, tensors["objects"]
    for slope in (0.0, 0.5, 1.0):
        shifted = slope * truth + torch.tensor([0.1, -0.1, 0.05])[:, None, None]  # each channel about its own mean
        assert metric(shifted * objects, truth, objects) == pytest.approx(slope, abs=0.01)
    batch = torch.cat([metric.statistics(truth[i : i + 1], truth[i : i + 1], objects[i : i + 1]) for i in range(4)])
    assert float(metric.summarise(batch)) == pytest.approx(1)


def test_silhouettes() -> None:
    metric = SilhouetteIoU()
    mask, there = (torch.zeros(1, 1, 8, 8) for _ in range(2))
    mask[..., :4], there[..., :2] = 1, 1
    source, truth = mask.expand(1, 3, 8, 8) * 1.0, there.expand(1, 3, 8, 8) * 1.0
    assert metric(truth, source, truth, mask, there) == 1
    assert metric(source, source, truth, mask, there) == pytest.approx(0.5)
    half = truth.clone()
    half[..., :4, 2] = 1  # a quarter of what should go is left
    assert metric(half, source, truth, mask, there) == pytest.approx(16 / 20)
    stray = truth.clone()
    stray[..., :, 7] = -1  # something where neither has an object
    assert metric(stray, source, truth, mask, there) == pytest.approx(16 / 24)
    grey = torch.where(mask > 0, torch.full_like(truth, 0.4), truth)  # nearer to the background than to the object
    assert metric(grey, source, truth, mask, there) == 0
    same = metric.statistics(truth, source, truth, mask, mask)
    assert metric.summarise(torch.cat([same, metric.statistics(truth, source, truth, mask, there)])) == 1
