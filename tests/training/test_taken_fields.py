"""Losses that take maps: what the data must hold for them, told before anything is trained, and a training."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn

import gankit
from gankit.core.catalogue import catalogue
from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.fields import Segmentation
from gankit.inspect.recipe import check_recipe
from tests.training.conftest import Killed
from tests.training.tiny import digests


class Painted(nn.Module):
    """Each class has a colour, learned from real pictures: (N, 3, H, W), (N, classes, H, W) -> scalar. gankit's own."""

    learns_in: ClassVar[str] = "discriminator"

    def __init__(self, classes: int = 3) -> None:
        super().__init__()
        self.takes = {"segmentation": Segmentation(classes)}
        self.colours = nn.Parameter(torch.zeros(classes, 3))

    def forward(self, output: Tensor, segmentation: Tensor) -> Tensor:
        return (output - torch.einsum("nkhw,kc->nchw", segmentation, self.colours)).square().mean()

    def discriminator(self, source: Tensor, segmentation: Tensor) -> Tensor:
        return self(source, segmentation)


@pytest.fixture(autouse=True)
def registered() -> Iterator[None]:
    gankit.register("loss", "painted")(Painted)
    yield
    catalogue.cache_clear()


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    rng = np.random.default_rng(0)
    for name in ("trainA", "trainB", "testA", "testB"):
        for folder in (name, f"{name}_maps"):
            (tmp_path / folder).mkdir()
        for i in range(2):
            classes = rng.integers(0, 3, (16, 16), dtype=np.uint8)
            Image.fromarray(classes).save(tmp_path / f"{name}_maps" / f"{i}.png")
            Image.fromarray((90 * classes)[..., None].repeat(3, 2)).save(tmp_path / name / f"{i}.png")
    return tmp_path


def recipe(root: Path, **changes: Any) -> dict[str, Any]:
    generator = {"type": "resnet", "channels": 2, "blocks": 1}
    critic = {"type": "patch", "channels": 2, "layers": 1}
    data = {"type": "unpaired", "root": str(root), "load_size": 16, "crop_size": 16}
    return {
        "gankit": 1,
        "name": "painted",
        "method": {"type": "cyclegan", "generator": generator, "discriminator": critic},
        "losses": {"adversarial": "lsgan", "painted": {"type": "local/painted"} | changes.get("loss", {})},
        "data": data | changes.get("data", {}),
        "train": {"steps": 3, "save_every": 2, "batch_size": 2, "workers": 0, "device": "cpu", "samples": 1},
    }


BOTH = {"classes_a": 3, "classes_b": 3}


def test_maps_of_both_sides_train_and_resume(folders: Path, kill_after: Callable[[int], None], tmp_path: Path) -> None:
    chosen = recipe(folders, data=BOTH)
    gankit.train(chosen, tmp_path / "alone")
    kill_after(2)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")


def test_build_plays_a_step_without_data(folders: Path) -> None:
    (played,) = check_recipe(Recipe.load(recipe(folders / "nowhere", data=BOTH)))
    assert {f"{side}/painted/{way}" for side in ("generator", "discriminator") for way in ("a2b", "b2a")} <= set(
        played.losses
    )


@pytest.mark.parametrize(
    ("changes", "place", "said"),
    [
        (
            {"data": {"classes_a": 3}},
            "data.type",
            "unpaired gives a, b, segmentation_a, but the losses of .*cyclegan need `segmentation_b`, a segmentation "
            "map of 3 classes: set data.classes_b to 3, or keep the loss to the direction that has maps, by `weight`",
        ),
        (
            {"data": {"classes_a": 3, "classes_b": 4}},
            "losses.painted",
            "it takes `segmentation_b` as a segmentation map of 3 classes, but that of .*unpaired is a segmentation "
            "map of 4 classes",
        ),
        ({"data": {"type": "shapes"}}, "data.type", "need `segmentation_a`, a segmentation map of 3 classes"),
    ],
)
def test_what_does_not_fit_is_told(changes: Any, place: str, said: str, folders: Path, tmp_path: Path) -> None:
    wanted = recipe(folders, **changes)
    if wanted["data"]["type"] == "shapes":
        wanted["data"] = {"type": "shapes", "size": 16}
    with pytest.raises(RecipeError, match=said) as caught:
        gankit.train(wanted, tmp_path / "run")
    assert place in [p.path for p in caught.value.problems] and not (tmp_path / "run").exists()


def test_maps_of_one_side(folders: Path, tmp_path: Path) -> None:
    model = gankit.train(recipe(folders, data={"classes_a": 3}, loss={"weight": {"a2b": 1}}), tmp_path / "run")
    assert model.translate(torch.rand(3, 20, 18) * 2 - 1).shape == (3, 20, 18)  # without any map
