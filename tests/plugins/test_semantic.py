"""gankit-semantic: its loss, the drawn maps, folders with maps from recipe to translation, and its wheel."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor, nn
from torch.nn import functional as F
from typer.testing import CliRunner

import gankit as package
from gankit.cli.main import app
from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.evaluation.object_metrics import TranslationError
from gankit.fields import Segmentation
from gankit.generators.resnet import ResnetGenerator
from gankit.inspect.recipe import check_recipe
from gankit.methods.plan import Term, plan_turns
from gankit.testing import check_component
from gankit.training.step import Stepper
from tests.methods.small import cyclegan
from tests.plugins import wheels
from tests.plugins.registered import registered
from tests.plugins.wheels import PLUGINS, check_imports, gankit

PLUGIN = PLUGINS / "gankit-semantic"
RECIPES = PLUGIN / "gankit_semantic" / "recipes"
CLASSES = 3


@pytest.fixture(autouse=True)
def semantic(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plugin's modules, and its parts in the registry as if it were installed."""
    monkeypatch.syspath_prepend(PLUGIN)
    import gankit_semantic.legends
    import gankit_semantic.loss

    with registered(gankit_semantic):
        yield gankit_semantic


SMALL = "{type: unet, channels: 2, downs: 2, norm: none}"
TINY = [
    "method.generator.channels=2",
    "method.discriminator.channels=2",
    *(f"losses.semantic_{way}.network={SMALL}" for way in ("a2b", "b2a")),
    "train.batch_size=2",
    "train.samples=1",
]


class Sure(nn.Module):
    """Features of its own making: the pictures' channels themselves."""

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        assert in_channels == out_channels

    def forward(self, x: Tensor) -> Tensor:
        return x


@pytest.fixture
def sure(semantic: Any) -> Callable[..., Any]:
    """A loss whose network names the class of the largest channel, with logits 4 times its values."""

    def make(kind: str = "SemanticSource", **options: Any) -> Any:
        loss = getattr(semantic.loss, kind)(CLASSES, network=Sure, width=CLASSES, **options)
        with torch.no_grad():
            loss.head.weight.copy_(4 * torch.eye(CLASSES)[..., None, None])
            loss.head.bias.zero_()
        return loss

    return make


def painted(classes: Tensor) -> Tensor:
    """(N, H, W) -> the picture whose channel of the class is 1 and whose others are -1."""
    return F.one_hot(classes, CLASSES).permute(0, 3, 1, 2).float() * 2 - 1


def mapped(classes: Tensor) -> Tensor:
    return F.one_hot(classes, CLASSES).permute(0, 3, 1, 2).float()


RIGHT = math.log(1 + 2 * math.exp(-8))  # the cross entropy of a class named right: logits 4, -4, -4
WRONG = RIGHT + 8


# -- the losses ------------------------------------------------------------------------------------------------------
def test_it_is_the_cross_entropy_of_the_labels(sure: Callable[..., Any]) -> None:
    classes = torch.randint(CLASSES, (2, 6, 6), generator=torch.Generator().manual_seed(0))
    right, wrong, segmentation = painted(classes), painted((classes + 1) % CLASSES), mapped(classes)
    source, target = sure(), sure("Semantic")
    for value in (
        source(right, right, segmentation),
        source.discriminator(right, segmentation),
        target(right, segmentation, right, segmentation),
        target.discriminator(right, segmentation),
    ):
        assert value.item() == pytest.approx(RIGHT, rel=1e-4)
    assert source(wrong, right, segmentation).item() == pytest.approx(WRONG, rel=1e-4)
    assert target(wrong, segmentation, right, segmentation).item() == pytest.approx(WRONG, rel=1e-4)
    assert target.discriminator(wrong, segmentation).item() == pytest.approx(WRONG, rel=1e-4)


def test_pixels_without_a_class_do_not_count(sure: Callable[..., Any]) -> None:
    classes = torch.zeros(2, 4, 4, dtype=torch.long)
    segmentation, right, output = mapped(classes), painted(classes), painted(classes)
    output[0, :, :2] = painted(classes + 1)[0, :, :2]  # half of the first is wrong
    assert sure()(output, right, segmentation).item() == pytest.approx((RIGHT + (RIGHT + WRONG) / 2) / 2)
    part = segmentation.clone()
    part[0, :, :2] = 0  # and that half has no labels
    for value in (
        sure()(output, right, part),
        sure().discriminator(output, part),
        sure("Semantic")(output, part, right, segmentation),
        sure("Semantic").discriminator(output, part),
    ):
        assert value.item() == pytest.approx(RIGHT, rel=1e-4)
    assert sure()(output, right, torch.zeros_like(segmentation)).item() == 0


def test_only_what_the_network_knows_on_the_source_counts(sure: Callable[..., Any]) -> None:
    classes = torch.zeros(1, 4, 4, dtype=torch.long)
    source = painted(classes)
    source[:, :, :1] = painted(classes + 1)[:, :, :1]  # there it names another class than the label
    output, segmentation = painted(classes + 1), mapped(classes)
    assert sure(confidence=0.5)(output, source, segmentation).item() == pytest.approx(WRONG * 3 / 4, rel=1e-4)
    assert sure(confidence=0)(output, source, segmentation).item() == pytest.approx(WRONG, rel=1e-4)
    unsure = 0.1 * source  # 0.37 for the class, of 0.33
    assert sure(confidence=0.9)(output, unsure, segmentation).item() == 0


def test_a_network_that_does_not_know_the_target_teaches_nothing(sure: Callable[..., Any]) -> None:
    classes = torch.zeros(2, 4, 4, dtype=torch.long)
    target, segmentation = painted(classes), mapped(classes)
    target[0] = painted(classes + 1)[0]  # beside the first picture it names all wrong
    output = painted(classes + 1)
    value = sure("Semantic")(output, segmentation, target, segmentation)
    assert value.item() == pytest.approx(WRONG / 2, rel=1e-4)
    value = sure("Semantic", confidence=0)(output, segmentation, target, segmentation)
    assert value.item() == pytest.approx(WRONG, rel=1e-4)
    none = torch.zeros_like(segmentation)  # whether it knows the target cannot be told
    assert sure("Semantic")(output, segmentation, painted(classes), none).item() == 0


def test_odd_sizes_and_any_network(semantic: Any) -> None:
    torch.manual_seed(0)
    for network in (semantic.loss.SMALL, partial(ResnetGenerator, channels=2, blocks=1)):
        loss = semantic.loss.Semantic(CLASSES, network=network)
        picture, segmentation = torch.rand(2, 3, 17, 30), Segmentation(CLASSES).draw(2, (17, 30))
        assert loss.named(picture).shape == (2, CLASSES, 17, 30)
        loss.discriminator(picture, segmentation).backward()
        assert all(p.grad is not None for p in loss.parameters() if p.requires_grad)


@pytest.mark.parametrize("kind", ["Semantic", "SemanticSource"])
def test_the_network_learns_labels_and_teaches_the_generator(semantic: Any, kind: str) -> None:
    torch.manual_seed(0)
    network = partial(ResnetGenerator, channels=4, blocks=1)
    loss = getattr(semantic.loss, kind)(CLASSES, network=network, width=4)
    draws = torch.Generator().manual_seed(0)
    classes = [torch.randint(CLASSES, (4, 4, 4), generator=draws).repeat_interleave(4, 1).repeat_interleave(4, 2)] * 2
    turned = torch.tensor([1, 2, 0])[classes[1]]  # in b every class has the colour of the next one in a
    batch = {"a": painted(classes[0]), "segmentation_a": mapped(classes[0])}
    batch |= {"b": painted(turned), "segmentation_b": mapped(classes[1])}
    adam = partial(torch.optim.Adam, lr=5e-3)
    stepper = Stepper(cyclegan(), {"semantic": Term(loss, weight={"a2b": 1})}, optimizer=adam, pool_size=0)
    assert [turn.turn.name for turn in stepper.turns if turn.learned] == ["discriminator"]
    first = stepper.step(batch)
    told = [stepper.step(batch) for _ in range(80)]
    key = "discriminator/semantic/a2b"
    assert told[-1][key] < 0.5 * first[key]
    taught = [step["generator/semantic/a2b"] for step in told]
    assert max(taught) > 2 * taught[-1]


def test_which_domain_teaches_the_network(semantic: Any) -> None:
    for kind, domain in (("Semantic", "b"), ("SemanticSource", "a")):
        method, term = cyclegan(), Term(getattr(semantic.loss, kind)(CLASSES), weight={"a2b": 1})
        turns = {turn.turn.name: turn for turn in plan_turns(method, {"semantic": term})}
        (learning,), (teaching,) = turns["discriminator"].terms, turns["generator"].terms
        assert {key for _, key in learning.arguments} == {f"batch:{domain}", f"batch:segmentation_{domain}"}
        assert "batch:segmentation_a" in dict(teaching.arguments).values()


# -- the drawn maps --------------------------------------------------------------------------------------------------
def test_only_labels_tell_the_counterpart(semantic: Any) -> None:
    data, metric = semantic.legends.Legends(size=32, train=60), TranslationError()
    items = [data.item(i) for i in range(60)]
    one, two = (torch.stack([item[name] for item in items]) for name in ("a", "b"))
    kinds = {side: torch.stack([item[f"segmentation_{side}"] for item in items]) for side in "ab"}
    colours = {}
    for side, pictures in (("a", one), ("b", two)):
        for kind in (1, 2):
            inside = kinds[side][:, kind : kind + 1]
            colours[side, kind] = (pictures * inside).sum((0, 2, 3)) / inside.sum()
        assert 0.6 < kinds[side][:, 1].sum() / kinds[side][:, 2].sum() < 1.7  # as much of either
    for kind, other in ((1, 2), (2, 1)):  # the nearest colour is that of the other class
        own, wrong = ((colours["a", kind] - colours["b", k]).abs().mean() for k in (kind, other))
        assert wrong < 0.4 * own
    truth, mask = torch.stack([i["truth_a2b"] for i in items]), torch.stack([i["mask_a"] for i in items])
    assert metric.summarise(metric.statistics(truth, one, truth, mask)) == 0
    assert torch.equal((one != truth).any(1, keepdim=True), (one != truth).any(1, keepdim=True) & (mask > 0))
    assert torch.equal(mask[:, 0], 1 - kinds["a"][:, 0])


def test_items_are_functions_of_seed_split_and_number(semantic: Any) -> None:
    data = semantic.legends.Legends(size=16, train=3, val=2, test=2)
    again = semantic.legends.Legends(size=16, train=3, cache=False)
    for name, field in data.fields.items():
        assert field.fault(data.item(1)[name]) is None
        assert torch.equal(data.item(1)[name], again.item(1)[name])
    others = [data.split("val").item(1), data.split("test").item(1), semantic.legends.Legends(size=16, seed=1).item(1)]
    assert len({tuple(item["a"].flatten().tolist()) for item in (data.item(1), *others)}) == 4
    with pytest.raises(IndexError):
        data.item(3)


# -- the recipes -----------------------------------------------------------------------------------------------------
def test_the_drawn_recipe_trains_and_is_measured(uninstalled: Callable[[str], Path], tmp_path: Path) -> None:
    sets = [*TINY, "train.steps=2", "data.size=16", "data.train=4", "data.val=2", "data.test=2", "train.measure=null"]
    sets.append("method.discriminator.layers=1")
    package.train(Recipe.load(uninstalled("demo-semantic"), sets), tmp_path / "run", device="cpu")
    rows = json.loads((tmp_path / "run" / "evaluation.json").read_text())["results"]
    assert "translation_error" in {row["metric"] for row in rows}


def write(root: Path, folder: str, count: int, size: tuple[int, int] = (40, 36)) -> None:
    rng = np.random.default_rng(len(folder))
    for name in (folder, f"{folder}_maps"):
        (root / name).mkdir(parents=True)
    for i in range(count):
        classes = rng.integers(0, CLASSES, (size[1] // 4, size[0] // 4), dtype=np.uint8).repeat(4, 0).repeat(4, 1)
        classes[:2] = 255
        Image.fromarray(classes).save(root / f"{folder}_maps" / f"{i}.png")
        Image.fromarray(classes[..., None] * np.array([90, 30, 60], np.uint8)).save(root / folder / f"{i}.jpg")


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for folder in ("trainA", "trainB"):
        write(tmp_path / "streets", folder, 3)
    for folder in ("testA", "testB"):
        write(tmp_path / "streets", folder, 2)
    return tmp_path / "streets"


def street_sets(folders: Path) -> list[str]:
    sizes = ["data.load_size=20", "data.crop_size=16", "data.classes_a=3", "data.classes_b=3"]
    small = ["method.generator.blocks=1", "method.discriminator.layers=1"]
    small += [f"losses.semantic_{way}.classes=3" for way in ("a2b", "b2a")]
    return [*TINY, *sizes, *small, f"data.root={folders}", "train.steps=3", "train.workers=0"]


ONE_SIDE = ["data.classes_b=null", "losses.semantic_a2b.type=semantic_source", "losses.semantic_b2a.weight.b2a=0"]


@pytest.mark.parametrize("more", [[], ONE_SIDE], ids=["maps of both", "maps of a"])
def test_real_folders_from_the_recipe_to_a_translation(
    more: list[str], folders: Path, uninstalled: Callable[[str], Path], tmp_path: Path
) -> None:
    recipe = Recipe.load(uninstalled("cyclegan-semantic"), [*street_sets(folders), *more])
    package.train(recipe, tmp_path / "run", device="cpu")
    told = [json.loads(line) for line in (tmp_path / "run" / "metrics.jsonl").read_text().splitlines()]
    assert any("discriminator/semantic_a2b/a2b" in json.dumps(line) for line in told)
    done = CliRunner().invoke(
        app, ["translate", str(tmp_path / "run"), str(folders / "testA"), "--out", str(tmp_path / "out")]
    )
    assert done.exit_code == 0, done.output
    assert [Image.open(path).size for path in sorted((tmp_path / "out").iterdir())] == [(40, 36)] * 2


def test_what_the_data_lack_is_told(folders: Path, uninstalled: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = Recipe.load(uninstalled("cyclegan-semantic"), [*street_sets(folders), "data.classes_b=null"])
    with pytest.raises(RecipeError, match=r"need `segmentation_b`.*set data.classes_b to 3, or keep the loss"):
        package.train(recipe, tmp_path / "run", device="cpu")
    assert not (tmp_path / "run").exists()


def test_the_recipe_for_photographs_as_it_stands(uninstalled: Callable[[str], Path]) -> None:
    small = ["method.generator.channels=2", "method.discriminator.channels=2", "data.load_size=36", "data.crop_size=32"]
    (played,) = check_recipe(Recipe.load(uninstalled("cyclegan-semantic"), small))
    assert "discriminator/semantic_b2a/b2a" in played.losses


# -- the kit and the package -----------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("kind", "name", "arguments"),
    [
        ("loss", "semantic", {"classes": 3, "confidence": 0}),  # with more it teaches nothing before it has learned
        ("loss", "semantic_source", {"classes": 3, "confidence": 0}),
        ("dataset", "legends", {"size": 16, "train": 2, "val": 2, "test": 2}),
    ],
)
def test_it_conforms(kind: str, name: str, arguments: dict[str, Any]) -> None:
    check_component(kind, f"gankit-semantic/{name}", overrides=arguments)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.environment(tmp_path_factory.mktemp("wheels"), "gankit-semantic")


def test_the_wheel_takes_a_real_step(environment: Path) -> None:
    [status] = json.loads(gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["state"]) == ("gankit-semantic", "ok")
    small = [*TINY, "data.size=16", "method.discriminator.layers=1"]
    gankit(environment, "build", "demo-semantic", "--check", *(part for s in small for part in ("--set", s)))


def test_what_the_plugin_imports() -> None:
    check_imports("gankit-semantic")
