"""The trial before a training: what breaks is told at its place, and nothing that works is refused."""

from __future__ import annotations

import logging
import random
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

import gankit
from gankit.core.catalogue import catalogue
from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.inspect import trial
from gankit.inspect.recipe import batch_of, check_recipe
from gankit.inspect.trial import try_out
from gankit.training.assemble import assemble
from tests.training.tiny import AGIT, CYCLE, CYCLEGAN, PAIRED, recipe

R1 = {"r1": "r1"}
"""The penalty alone: a bias of the critic's last layer has no part in its gradient."""


class Brightness(nn.Module):
    """Needs numbers, which the meta device has not."""

    def forward(self, output: Tensor) -> Tensor:
        return (output * float(output.detach().mean())).mean()


class Counted(nn.Module):
    """No gradient goes through it."""

    def forward(self, output: Tensor) -> Tensor:
        return (output > 0).float().mean()


class PerPicture(nn.Module):
    """One number for each picture."""

    def forward(self, output: Tensor) -> Tensor:
        return output.mean((1, 2, 3))


class Broken(nn.Module):
    """A mistake of its author."""

    def forward(self, output: Tensor) -> Tensor:
        return output.mean() * self.missing.sum()  # type: ignore[operator]


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    for make in (Brightness, Counted, PerPicture, Broken):
        gankit.register("loss", make.__name__.lower())(make)
    yield
    catalogue.cache_clear()


def tried(method: dict[str, Any], losses: dict[str, Any], **more: Any) -> list[str]:
    loaded = Recipe.load(recipe(method, losses, **more))
    return [str(fault) for fault in try_out(loaded, batch_of(assemble(loaded)))]


@pytest.mark.parametrize(
    ("method", "losses", "path", "words"),
    [
        (
            PAIRED,
            {"adversarial": {"type": "wgan", "on": {"fake_logits": "real_features"}}},
            "losses.adversarial.on",
            r"fails on .*fake_logits a tuple.*binds `fake_logits` to `real_features`: remove it, or bind",
        ),
        (
            CYCLEGAN,
            {"content": {"type": "lpips", "weights": "random", "on": {"output": "back_generator"}}},
            "losses.content.on",
            "backbone of the loss content fails on a network.*binds `output` to `back_generator`",
        ),
        (CYCLEGAN, CYCLE | {"lit": "counted"}, "losses.lit", "nothing learns from it: no gradient.*remove it"),
        (
            CYCLEGAN,
            CYCLE | {"each": "perpicture"},
            "losses.each",
            r"must give one number, and this one gives a tensor of shape",
        ),
        (CYCLEGAN, CYCLE | {"broken": "broken"}, "losses.broken", r"the loss broken fails on output \(2, 3, .*missing"),
        (
            PAIRED | {"generator": {"type": "dcgan", "channels": 4, "image_size": 32}},
            {"adversarial": "lsgan"},
            "method.generator",
            "it makes pictures of noise, and paired translates pictures",
        ),
        (
            CYCLEGAN | {"generator": {"type": "johnson_sr", "channels": 4, "blocks": 1, "factor": 2}},
            {"adversarial": "lsgan"},
            "method.generator",
            "2 times as large as it is given, and cyclegan is to make them of the same size",
        ),
        (
            AGIT | {"discriminator": {"type": "pixel", "channels": 4}},
            {"features": "feature_matching"},
            "losses.features",
            "its discriminator gives no features: set method.discriminator to patch",
        ),
    ],
    ids=["kind", "network", "silent", "several", "broken", "noise", "enlarging", "featureless"],
)
def test_what_breaks_is_told_at_its_place(
    method: dict[str, Any], losses: dict[str, Any], path: str, words: str
) -> None:
    with pytest.raises(RecipeError, match=words) as caught:
        tried(method, losses)
    assert [problem.path for problem in caught.value.problems] == [path]


def test_a_part_that_needs_numbers_is_tried_with_numbers(monkeypatch: pytest.MonkeyPatch) -> None:
    devices: list[str] = []
    play = trial._played
    monkeypatch.setattr(trial, "_played", lambda p, b: (devices.append(b["a"].device.type), play(p, b))[1])
    assert tried(CYCLEGAN, CYCLE) == []
    assert devices == ["meta"]
    assert tried(CYCLEGAN, CYCLE | {"light": "brightness"}) == []
    assert devices == ["meta", "meta", "cpu"]


def test_the_random_state_stays_what_it_is() -> None:
    loaded = Recipe.load(recipe(losses=CYCLE | {"light": "brightness"}))
    batch = batch_of(assemble(loaded))
    before = random.getstate(), str(np.random.get_state()), torch.get_rng_state()
    try_out(loaded, batch)
    assert before[:2] == (random.getstate(), str(np.random.get_state()))
    assert torch.equal(before[2], torch.get_rng_state())


def test_what_the_critics_carry_is_asked_of_the_data() -> None:
    """No loss of the generators asks for their source, and fakes are made of it."""
    parts = assemble(recipe(PAIRED, {"penalty": {"type": "gradient_penalty"}}, pool_size=0))
    assert set(batch_of(parts).fields) == {"a", "b"}
    parts = assemble(recipe(CYCLEGAN, {"adversarial": {"type": "gradient_penalty", "weight": {"b2a": 1}}}))
    assert set(batch_of(parts).fields) == {"a", "b"}


def test_parameters_that_nothing_trains_are_refused_by_check_and_told_by_a_training(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    words = "turn discriminator: discriminator_a2b.* gets? no gradient from r1: add a loss that trains"
    (told,) = tried(PAIRED, R1)
    assert told.startswith("losses: turn discriminator")
    with pytest.raises(RecipeError, match=words):
        check_recipe(Recipe.load(recipe(PAIRED, R1)))
    with caplog.at_level(logging.WARNING):
        gankit.train(recipe(PAIRED, R1, steps=1), out=tmp_path / "run")
    assert told in caplog.messages


def test_a_training_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"losses\.lit: nothing learns from it"):
        gankit.train(recipe(losses=CYCLE | {"lit": "counted"}), out=tmp_path / "run")
    assert not (tmp_path / "run").exists()
