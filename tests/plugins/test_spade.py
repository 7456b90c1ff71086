"""gankit-spade: its norm and networks, the drawn maps, the recipes, and its wheel beside gankit's."""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn
from torch.nn import functional as F
from typer.testing import CliRunner

import gankit as package
from gankit.cli.main import app
from gankit.core.recipe import Recipe
from gankit.generators.resnet import ResnetGenerator
from gankit.inspect.recipe import check_recipe
from gankit.norms.instance import InstanceNorm
from gankit.testing import check_component
from tests.plugins import wheels
from tests.plugins.registered import registered
from tests.plugins.wheels import PLUGINS, check_imports, gankit

PLUGIN = PLUGINS / "gankit-spade"
RECIPES = PLUGIN / "gankit_spade" / "recipes"
TINY = [
    "method.generator.channels=2",
    "method.generator.norm.hidden=2",
    "method.discriminator.discriminator.channels=2",
    "method.discriminator.scales=1",
    "data.size=32",
]


@pytest.fixture(autouse=True)
def spade(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plugin's modules, and its parts in the registry as if it were installed."""
    monkeypatch.syspath_prepend(PLUGIN)
    import gankit_spade.generator
    import gankit_spade.layouts
    import gankit_spade.metric
    import gankit_spade.norm

    with registered(gankit_spade):
        yield gankit_spade


@pytest.fixture
def recipe(tmp_path: Path) -> Any:
    """The recipe of that name, without the line that asks for an installed distribution."""

    def load(name: str, sets: list[str] | tuple[str, ...] = ()) -> Recipe:
        text = (RECIPES / f"{name}.yaml").read_text().replace('plugins: {gankit-spade: ">=0.1"}\n', "")
        path = tmp_path / f"{name}.yaml"
        path.write_text(text)
        return Recipe.load(path, sets)

    return load


# -- the norm --------------------------------------------------------------------------------------------------------
def test_the_norm_is_the_papers_formula(spade: Any) -> None:
    torch.manual_seed(0)
    norm = spade.norm.SPADE(4, classes=3, hidden=5, base=partial(InstanceNorm, affine=False)).double()
    x, index = torch.randn(2, 4, 4, 4).double(), torch.randint(3, (2, 8, 8))
    y = norm(x, F.one_hot(index, 3).permute(0, 3, 1, 2).double())
    seen = F.one_hot(index[:, ::2, ::2], 3).permute(0, 3, 1, 2).double()  # the nearest pixels of half the size
    seen = F.relu(F.conv2d(seen, norm.shared.weight, norm.shared.bias, padding=1))
    gamma = F.conv2d(seen, norm.gamma.weight, norm.gamma.bias, padding=1)
    beta = F.conv2d(seen, norm.beta.weight, norm.beta.bias, padding=1)
    plain = (x - x.mean((2, 3), keepdim=True)) / (x.var((2, 3), keepdim=True, correction=0) + 1e-5).sqrt()
    torch.testing.assert_close(y, plain * (1 + gamma) + beta)


@pytest.mark.parametrize("classes, millions", [(36, 93.0), (151, 96.5), (184, 97.5)])
def test_the_paper_sized_generator_has_the_published_number_of_weights(
    spade: Any, classes: int, millions: float
) -> None:
    """Those of Cityscapes, ADE20K and COCO-Stuff, with their edge map, as told in arXiv 2004.02867."""
    with torch.device("meta"):
        generator = spade.generator.SPADEGenerator(classes, 3)
    assert round(sum(p.numel() for p in generator.parameters()) / 1e6, 1) == millions


def test_a_map_that_is_one_class_more_changes_only_what_is_near(spade: Any) -> None:
    torch.manual_seed(0)
    generator = spade.generator.SPADEGenerator(3, 3, channels=2, ups=2).eval()
    one = F.one_hot(torch.zeros(1, 64, 64, dtype=torch.long), 3).permute(0, 3, 1, 2).float()
    other = one.clone()
    other[:, :, :4, :4] = one[:, [2, 1, 0], :4, :4]
    changed = (generator(one) - generator(other)).abs().amax(1)[0] > 1e-6
    assert changed[:4, :4].any() and not changed[60:, 60:].any()


# -- in other hosts --------------------------------------------------------------------------------------------------
def test_another_norm_stands_in_the_generator(recipe: Any) -> None:
    sets = [*TINY, 'method.generator.norm={"type": "instance"}']
    (played,) = check_recipe(recipe("spade-layouts", [s for s in sets if "hidden" not in s]))
    assert {key.split("/")[1] for key in played.losses} == {"adversarial", "l1", "feature_matching"}


# -- the drawn maps --------------------------------------------------------------------------------------------------
def test_a_picture_follows_from_its_map(spade: Any) -> None:
    data = spade.layouts.Layouts(size=32, grain=0)
    for index in range(3):
        item = data.item(index)
        painted = spade.layouts.paint(item["a"].argmax(0).numpy())
        np.testing.assert_allclose(item["b"].permute(1, 2, 0), painted, atol=1e-6)
    assert not torch.equal(data.item(0)["b"], data.split("test").item(0)["b"])


def test_no_trivial_answer_is_near_the_truth(spade: Any) -> None:
    data, metric = spade.layouts.Layouts(), spade.metric.MapError()
    items = [data.split("test").item(i) for i in range(20)]
    maps, pictures = (torch.stack([item[name] for item in items]) for name in "ab")
    rows = {label: float(s.mean()) for label, s in metric.rows(metric.statistics(pictures, pictures, maps))}
    assert rows[""] == 0
    assert rows["best colour of each class"] > 9 and rows["best single colour"] > 30


def test_the_best_colours_are_the_best(spade: Any) -> None:
    metric, rng = spade.metric.MapError(), torch.Generator().manual_seed(0)
    item = spade.layouts.Layouts(size=32).item(0)
    truth, source = item["b"][None], item["a"][None]
    own = metric.statistics(truth, truth, source)[0]
    for _ in range(20):
        colours = torch.rand(6, 3, generator=rng) * 2 - 1
        one_each = torch.einsum("nkhw,kc->nchw", source, colours)
        assert metric.statistics(one_each, truth, source)[0, 0] >= own[1]
        assert metric.statistics(colours[:1, :, None, None].expand_as(truth), truth, source)[0, 0] >= own[2]


# -- the recipes -----------------------------------------------------------------------------------------------------
def test_the_drawn_recipe_trains_evaluates_and_translates_maps(recipe: Any, tmp_path: Path) -> None:
    sets = [*TINY, "train.steps=2", "train.batch_size=2", "data.train=4", "data.test=2", "train.samples=1"]
    model = package.train(recipe("spade-layouts", sets), tmp_path / "run", device="cpu")
    rows = json.loads((tmp_path / "run" / "evaluation.json").read_text())["results"]
    assert [row.get("label") for row in rows] == [None, "best colour of each class", "best single colour"]
    index = np.random.default_rng(0).integers(0, 6, (32, 48)).astype(np.uint8)
    Image.fromarray(index).save(tmp_path / "map.png")
    done = CliRunner().invoke(
        app, ["translate", str(tmp_path / "run"), str(tmp_path / "map.png"), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    onehot = F.one_hot(torch.from_numpy(index).long(), 6).permute(2, 0, 1).float()
    wanted = model.translate(onehot).add(1).mul(127.5).round().clamp(0, 255).byte()
    assert torch.equal(torch.from_numpy(np.array(Image.open(tmp_path / "out" / "map.png"))).permute(2, 0, 1), wanted)


def test_a_map_with_too_many_classes_is_named(recipe: Any, tmp_path: Path) -> None:
    sets = [*TINY, "train.steps=1", "train.batch_size=1", "data.train=1", "data.test=1", "train.samples=1"]
    package.train(recipe("spade-layouts", sets), tmp_path / "run", device="cpu")
    Image.fromarray(np.full((32, 32), 9, np.uint8)).save(tmp_path / "map.png")
    done = CliRunner().invoke(
        app, ["translate", str(tmp_path / "run"), str(tmp_path / "map.png"), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 1 and "map.png: it holds the value 9" in done.output


def test_the_papers_recipe(recipe: Any) -> None:
    small = ["method.classes=6", "method.generator.channels=2", "method.generator.ups=3", "data.classes_a=6"]
    small += ["method.generator.norm.classes=6", "method.generator.norm.hidden=2", "train.batch_size=2"]
    small += ["method.discriminator.discriminator.channels=2", "data.load_size=70", "data.crop_size=64"]
    small += ["losses.perceptual.backbone={type: vgg19, weights: random}"]
    (played,) = check_recipe(recipe("spade", small))
    assert {key.split("/")[1] for key in played.losses} == {"adversarial", "feature_matching", "perceptual"}


# -- the kit and the package -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "kind, name, arguments",
    [
        ("norm", "spade", {"classes": 3, "hidden": 4}),
        ("generator", "spade", {"channels": 2, "ups": 2}),
        ("dataset", "layouts", {"size": 16, "train": 2, "test": 2}),
        ("metric", "map_error", {}),
    ],
)
def test_it_conforms(kind: str, name: str, arguments: dict[str, Any]) -> None:
    check_component(kind, f"gankit-spade/{name}", overrides=arguments)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.environment(tmp_path_factory.mktemp("wheels"), "gankit-spade")


def test_the_wheel_takes_a_real_step(environment: Path) -> None:
    [status] = json.loads(gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["state"]) == ("gankit-spade", "ok")
    gankit(environment, "build", "spade-layouts", "--check", *(part for s in TINY for part in ("--set", s)))


def test_what_the_plugin_imports() -> None:
    check_imports("gankit-spade")


def test_gankits_generators_are_plain_modules(spade: Any) -> None:
    """In plain Python, without a recipe: CycleGAN's generator with SPADE, given the map beside the picture."""
    generator = ResnetGenerator(3, 3, channels=2, blocks=2, norm=partial(spade.norm.SPADE, classes=3, hidden=2))
    assert isinstance(generator, nn.Module) and set(generator.takes) == {"segmentation"}
    map = F.one_hot(torch.randint(3, (2, 16, 16)), 3).permute(0, 3, 1, 2).float()
    assert generator(torch.randn(2, 3, 16, 16), segmentation=map).shape == (2, 3, 16, 16)
