"""Sizes, costs and memory of a method, and the picture of its plan."""

from __future__ import annotations

import xml.etree.ElementTree as ET
from dataclasses import replace
from functools import partial
from itertools import pairwise

import pytest
import torch
from torch import nn

from gankit.discriminators.patch import PatchDiscriminator
from gankit.fields import Picture
from gankit.generators.resnet import ResnetGenerator
from gankit.inspect.graph import draw
from gankit.inspect.layout import place
from gankit.inspect.summary import on_meta, summarize
from gankit.inspect.words import bytes_in_words, count_in_words
from gankit.losses.adversarial import LSGAN
from gankit.losses.reconstruction import Cycle, Identity
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.plan import Term
from gankit.training.pictures import Batch
from tests.methods.small import agit, cyclegan

PICTURES = Batch({"a": Picture(3), "b": Picture(3)}, 2, (32, 32))


class OneConvolution(nn.Module):
    """Of known cost: 3 * 3 * 9 multiply-adds a pixel, 84 parameters; the backward needs the input and the weight."""

    def __init__(self, in_channels: int, out_channels: int = 3) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.conv(x)


def test_known_costs() -> None:
    summary = summarize(CycleGAN(OneConvolution, OneConvolution), {"identity": Identity()}, PICTURES)
    generator, critic = summary.networks[:2]
    assert generator.parameters == 84 and generator.multiply_adds == 81 * 32 * 32
    assert generator.input == (3, 32, 32) and generator.output == ((3, 32, 32),)
    assert critic.output == () and critic.multiply_adds == 0  # no loss asks for it
    (turn,) = summary.turns
    # Each direction: a forward, and as much again for the weight's gradient; the picture's own is not asked for.
    assert turn.multiply_adds == 2 * 2 * 81 * 32 * 32 * 2
    memory = summary.memory
    assert memory.weights == 4 * 84 * 4 and memory.gradients == 2 * 84 * 4
    assert memory.optimizer == 2 * (2 * 84 * 4 + 2 * 4)  # two moments, and the steps of two parameters
    assert memory.activations == 2 * 2 * 3 * 32 * 32 * 4  # what l1 keeps; pictures and weights are there anyway


def test_nothing_is_computed_and_nothing_changes() -> None:
    method = cyclegan()
    before = {k: v.clone() for k, v in method.state_dict().items()}
    summarize(method, {"adversarial": LSGAN(), "cycle": Cycle()}, PICTURES)
    after = method.state_dict()
    assert all(torch.equal(before[k], after[k]) for k in before)
    assert all(p.grad is None for p in method.parameters())


def test_the_meta_copy_shares_what_the_method_shares() -> None:
    linear = nn.Linear(2, 2)
    twin = on_meta(nn.Sequential(linear, linear))
    assert twin[0].weight is twin[1].weight and twin[0].weight.is_meta and not linear.weight.is_meta


def test_memory_grows_with_the_batch_and_counts_each_storage_once() -> None:
    terms = {"adversarial": LSGAN(), "cycle": Cycle()}
    one = summarize(cyclegan(), terms, replace(PICTURES, count=1))
    two = summarize(cyclegan(), terms, PICTURES)
    assert two.memory.activations == pytest.approx(2 * one.memory.activations, rel=0.01)
    assert two.memory.weights == one.memory.weights
    assert two.networks[0].multiply_adds == one.networks[0].multiply_adds
    doubled = summarize(cyclegan(), terms | {"again": Term(Cycle())}, PICTURES)
    extra = doubled.memory.activations - two.memory.activations
    assert extra == 2 * 2 * 3 * 32 * 32 * 4  # the difference that each |x| keeps; the pictures are there already


def test_activations_that_are_computed_again_are_not_counted() -> None:
    terms = {"adversarial": LSGAN(), "cycle": Cycle()}
    kept, again = (summarize(cyclegan(), terms, PICTURES, checkpoint_activations=lean).memory for lean in (False, True))
    assert again.activations < 0.4 * kept.activations
    assert again.weights == kept.weights


def test_what_a_turn_takes_and_what_it_trains() -> None:
    summary = summarize(agit(), {"adversarial": LSGAN(), "cycle": Cycle()}, PICTURES, ema=True)
    generator, critic = summary.turns
    assert critic.given == ("judged@a2b", "judged_mask@a2b", "judged@b2a", "judged_mask@b2a")
    assert generator.trains == ("generator_a2b", "attention_net_a2b", "generator_b2a", "attention_net_b2a")
    terms = {term.key: term.takes for term in critic.terms}
    assert terms["discriminator/adversarial/b2a"] == {"real_logits": "real_logits", "fake_logits": "fake_logits"}
    assert summary.memory.ema > 0
    assert summary.seen_from("a2b", "attention@b2a") == "back_attention"
    assert summary.seen_from("b2a", "batch:b") == "source"


def test_the_picture_names_all_and_is_whole() -> None:
    summary = summarize(agit(), {"adversarial": LSGAN(), "cycle": Term(Cycle(), 10, from_step=5)}, PICTURES)
    root = ET.fromstring(draw(summary))
    texts = {"".join(e.itertext()) for e in root.iter() if e.tag.endswith("text")}
    assert {"source", "attention", "raw", "output", "reconstruction", "back_generator", "adversarial"} <= texts
    assert {"cycle, weight 10", "from step 5", "of the generator, detached"} <= texts
    width, height = float(root.get("width", 0)), float(root.get("height", 0))
    for box in (e for e in root.iter() if e.tag.endswith("rect") and e.get("x")):
        assert 0 <= float(box.get("x", 0)) <= width and 0 <= float(box.get("y", 0)) <= height
    assert "http" not in draw(summary).replace("http://www.w3.org/2000/svg", "")


def test_layout_keeps_order_and_distance() -> None:
    edges = [("a", "b"), ("b", "d"), ("a", "d"), ("c", "d"), ("c", "e")]
    layout = place(dict.fromkeys("abcde", 30.0), edges, last=["d", "e"], gap=10)
    columns = {box.key: number for number, column in enumerate(layout.columns) for box in column}
    assert columns["a"] < columns["b"] < columns["d"] == columns["e"] == len(layout.columns) - 1
    for column in layout.columns:
        for above, below in pairwise(column):
            assert below.y - above.y >= (above.height + below.height) / 2 + 10 - 1e-6
    assert len(layout.routes["a", "d"]) == 3  # one bend, in the column between
    assert min(box.y - box.height / 2 for column in layout.columns for box in column) == pytest.approx(0)


@pytest.mark.parametrize("count, text", [(11378179, "11.4 M"), (999, "999"), (2764737, "2.76 M"), (902e9, "902 G")])
def test_counts_in_words(count: float, text: str) -> None:
    assert count_in_words(count) == text


def test_bytes_in_words() -> None:
    assert bytes_in_words(3 * 1024**3 // 2) == "1.50 GB"
    assert bytes_in_words(12) == "12 B"


def test_a_network_that_refuses_the_size_says_so() -> None:
    method = CycleGAN(partial(ResnetGenerator, channels=2, blocks=1), partial(PatchDiscriminator, channels=2))
    with pytest.raises(ValueError):
        summarize(method, {"adversarial": LSGAN()}, replace(PICTURES, count=1, size=(9, 9)))
