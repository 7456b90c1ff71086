"""How large a recipe may make its networks: told before any weight of them is drawn."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pytest
import torch

import gankit
from gankit import RecipeError
from gankit.training import checkpoint
from gankit.training.assemble import build_method
from gankit.training.run import Run
from tests.training.tiny import CRITIC, CYCLEGAN, recipe


@pytest.fixture(autouse=True)
def no_weights_are_drawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever asks for much memory has not counted before."""

    for name in ("normal_", "uniform_"):
        original = getattr(torch.Tensor, name)

        def drawn(tensor: torch.Tensor, *args: Any, original: Any = original, **kwargs: Any) -> torch.Tensor:
            assert tensor.is_meta or tensor.numel() < 10**6
            return original(tensor, *args, **kwargs)

        monkeypatch.setattr(torch.Tensor, name, drawn)


@pytest.mark.parametrize(
    "generator, said",
    [
        ({"type": "resnet", "channels": 10**6, "blocks": 1}, "more than 4,294,967,296 weights"),
        ({"type": "mobile_resnet", "inner": [8] * 4000}, "more than 20,000 modules"),
        ({"type": "unet", "channels": 2**20, "downs": 3, "norm": "batch"}, "more than 4,294,967,296 weights"),
    ],
)
def test_networks_are_counted_before_they_are_built(generator: dict[str, Any], said: str) -> None:
    with pytest.raises(RecipeError, match=said) as caught:
        gankit.build(recipe(method=CYCLEGAN | {"generator": generator}))
    assert [p.path for p in caught.value.problems] == ["method.generator"]


@pytest.mark.parametrize(
    "method, train, place",
    [
        ({"discriminator": CRITIC | {"layers": 40}}, {}, "method.discriminator.layers"),
        ({"discriminator": {"type": "multiscale", "scales": 10**6}}, {}, "method.discriminator.scales"),
        ({"generator": {"type": "resnet", "blocks": 10**9}}, {}, "method.generator.blocks"),
        ({"generator": {"type": "unet", "downs": 10**5}}, {}, "method.generator.downs"),
        ({}, {"workers": 10**18}, "train.workers"),
        ({}, {"samples": 10**18}, "train.samples"),
        ({}, {"accumulate": 10**18}, "train.accumulate"),
        ({}, {"optimizer": {"type": "adam", "lr": 1e300}}, "train.optimizer.lr"),
        ({}, {"save_every": 10**18}, "train.save_every"),
    ],
)
def test_bounds_of_numbers(method: dict[str, Any], train: dict[str, Any], place: str) -> None:
    with pytest.raises(RecipeError, match="must be at most") as caught:
        gankit.build(recipe(method=CYCLEGAN | method, **train))
    assert [p.path for p in caught.value.problems] == [place]


@pytest.mark.parametrize("weight", [1e308, -1e300, {"a2b": 1e308}])
def test_bounds_of_weights(weight: Any) -> None:
    losses = {"adversarial": "lsgan", "cycle": {"type": "cycle", "weight": weight}}
    with pytest.raises(RecipeError, match=r"losses.cycle.weight: must be at (most|least) -?1e\+15"):
        gankit.build(recipe(losses=losses))


def test_what_is_built_after_a_refusal_is_not_counted_with_it() -> None:
    tiny = gankit.Recipe.load(recipe())
    with pytest.raises(RecipeError, match="more than 10 weights"):
        build_method(tiny, 10)
    assert build_method(tiny).networks


def test_a_run_whose_recipe_asks_for_more_than_its_weights(tmp_path: Path) -> None:
    gankit.train(recipe(steps=1), tmp_path / "run")
    latest = Run(tmp_path / "run").latest()
    assert latest is not None
    index = json.loads((latest / checkpoint.INDEX).read_text())
    index["recipe"]["method"]["generator"]["channels"] = 4000
    del index["sha256"]
    index["sha256"] = hashlib.sha256(json.dumps(index, sort_keys=True).encode()).hexdigest()
    (latest / checkpoint.INDEX).write_text(json.dumps(index))
    with pytest.raises(RecipeError, match=r"more than 500,0[0-9]{2},[0-9]{3} weights"):
        gankit.load(tmp_path / "run")
