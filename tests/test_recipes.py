"""The recipes that ship: each loads, has its paper's hyper-parameters, and trains a step at a small size."""

from __future__ import annotations

from pathlib import Path

import pytest
from PIL import Image

from gankit.core.recipe import Recipe
from gankit.inspect.recipe import check_recipe, summarize_recipe

FOLDER = Path(__file__).parents[1] / "recipes"
FEATURES = ["perceptual", "perceptual_composite", "style", "style_composite"]
RANDOM = [f"losses.{name}.backbone.weights=random" for name in FEATURES]
SMALL = {
    "gan-mnist": ["method.generator.hidden=[8]", "method.discriminator.hidden=[8]", "data.size=28"],
    "dcgan-mnist": ["method.generator.channels=2", "method.discriminator.channels=2", "data.size=32"],
    "dcgan": ["method.generator.channels=2", "method.discriminator.channels=2"],
    "cyclegan": ["method.generator.channels=2", "method.generator.blocks=1", "method.discriminator.channels=2"],
    "agit": [
        *("method.generator.channels=2", "method.generator.blocks=1"),
        *("method.attention.channels=2", "method.discriminator.channels=2"),
    ],
    "ugatit": ["method.generator.channels=2", "method.generator.image_size=128", "method.discriminator.channels=1"],
    "ugatit-light": ["method.generator.channels=2", "method.discriminator.channels=1"],
    "pix2pix": ["method.generator.channels=2", "method.generator.downs=5", "method.discriminator.channels=2"],
    "lbam": [
        *("method.generator.channels=2", "method.generator.downs=4", "train.batch_size=2", *RANDOM),
        *("method.discriminator.channels=2", "method.discriminator.levels=3"),
    ],
    "pconv": ["method.generator.channels=2", "method.generator.downs=4", "train.batch_size=2", *RANDOM],
    "demo": ["method.generator.channels=2", "method.attention.channels=2", "method.discriminator.channels=2"],
    "demo-cyclegan": ["method.generator.channels=2", "method.discriminator.channels=2"],
    "demo-pix2pix": ["method.generator.channels=2", "method.discriminator.channels=2"],
    "demo-ugatit": ["method.generator.channels=2", "method.discriminator.channels=2"],
    "demo-munit": ["method.generator.channels=2", "method.discriminator.channels=2"],
    "munit": ["method.generator.channels=2", "method.discriminator.discriminator.channels=2"],
    "style": [
        *("method.generator.channels=2", "method.generator.blocks=1", "method.style=PICTURE", "method.style_size=32"),
        *("losses.content.backbone.weights=random", "losses.style.backbone.weights=random"),
    ],
    "gatys": [
        *("method.content=PICTURE", "method.style=PICTURE", "method.size=32", "train.optimizer.max_iter=2"),
        *("method.start=noise", "losses.content.backbone.weights=random", "losses.style.backbone.weights=random"),
    ],
    **{
        f"super-resolution-x{factor}": ["method.generator.channels=2", "losses.content.backbone.weights=random"]
        for factor in (4, 8)
    },
}
SIDE = {"dcgan": 64, "ugatit": 128, "ugatit-light": 128, "munit": 128}
SIZED = ("gatys", "demo", "demo-cyclegan", "demo-ugatit", "demo-munit", "demo-pix2pix", "gan-mnist", "dcgan-mnist")
"""Recipes whose pictures have no `crop_size`."""
TWO_PHASES = ("agit", "demo")


def test_every_recipe_takes_its_step() -> None:
    missing = {path.stem for path in FOLDER.glob("*.yaml")} - SMALL.keys()
    assert not missing, (
        f"no test takes a step of {', '.join(sorted(missing))}: add a row to SMALL in {Path(__file__).name}, with the "
        "`--set` options that make its networks small"
    )


@pytest.mark.parametrize("name", SMALL)
def test_a_step_of_every_turn(name: str, tmp_path: Path) -> None:
    side = SIDE.get(name, 32)
    sizes = [] if name in SIZED else [f"data.crop_size={side}", f"data.load_size={side}"]
    Image.effect_noise((48, 32), 80).convert("RGB").save(tmp_path / "picture.png")
    sets = [text.replace("PICTURE", str(tmp_path / "picture.png")) for text in SMALL[name]]
    recipe = Recipe.load(FOLDER / f"{name}.yaml", [*sets, *sizes])
    played = check_recipe(recipe)
    assert [step.epoch for step in played] == (["first", "last"] if name in TWO_PHASES else ["first"])
    assert {key.split("/")[1] for key in played[0].losses} == {
        name for name, term in recipe.losses.items() if term.weight
    }


WITHOUT_CAM = ["method.generator.attention=null", "method.discriminator.cam=false", "losses.cam.weight=0"]
COMPARED = {
    **{norm: [f"method.generator.norm={norm}"] for norm in ("instance", "layer", "group", "bin", "adain", "adalin")},
    "without CAM": WITHOUT_CAM,
    "without CAM in the generators": [WITHOUT_CAM[0], WITHOUT_CAM[2]],
    "without CAM in the critics": [WITHOUT_CAM[1]],
}


@pytest.mark.parametrize("sets", COMPARED.values(), ids=COMPARED)
def test_what_ugatits_paper_compares_takes_a_step(sets: list[str]) -> None:
    small = ["method.generator.channels=8", "method.discriminator.channels=2", "data.size=32", "train.batch_size=2"]
    layers = ["method.discriminator.layers=[3]"]
    (step,) = check_recipe(Recipe.load(FOLDER / "demo-ugatit.yaml", [*small, *layers, *sets]))
    assert any("/cam/" in key for key in step.losses) == (WITHOUT_CAM[2] not in sets)


@pytest.mark.parametrize("path", sorted(FOLDER.glob("*.yaml")), ids=lambda p: p.stem)
def test_header_and_name(path: Path) -> None:
    lines = path.read_text().splitlines()
    assert lines[0] == "# yaml-language-server: $schema=recipe.schema.json"
    header = " ".join(line for line in lines if line.startswith("#"))
    assert f"gankit train {path.stem}" in header
    recipe = Recipe.load(path)
    assert recipe.name == path.stem
    assert recipe.about.arxiv


PARAMETERS = {  # of a generator, as the reference code counts them: see the papers' repositories
    "cyclegan": 11_378_179,
    "ugatit": 278_959_808,
    "ugatit-light": 10_589_888,
    "pix2pix": 54_413_955,
    "lbam": 68_304_948 + 12_800,  # and the batch norms'
    "pconv": 25_779_796,
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_full_size_without_allocating(name: str) -> None:
    sets = RANDOM if name in ("lbam", "pconv") else []
    summary = summarize_recipe(Recipe.load(FOLDER / f"{name}.yaml", sets))
    assert summary.networks[0].parameters == PARAMETERS[name]
    assert summary.networks[0].output[0] == (3, 256, 256)


def test_weights_and_rates_of_the_papers() -> None:
    def terms(name: str) -> dict[str, float]:
        return {key: term.weight for key, term in Recipe.load(FOLDER / f"{name}.yaml").losses.items()}

    def train(name: str):
        return Recipe.load(FOLDER / f"{name}.yaml").train

    assert terms("cyclegan") == {"adversarial": 1, "cycle": 10, "identity": 5}
    assert terms("agit") == {"adversarial": 1, "cycle": 10}
    assert terms("ugatit") == terms("ugatit-light") == {"adversarial": 1, "cycle": 10, "identity": 10, "cam": 1000}
    assert terms("pix2pix") == {"adversarial": 1, "l1": 100}
    assert [train(n).optimizer.lr for n in ("cyclegan", "agit", "ugatit", "pix2pix")] == [2e-4, 1e-4, 1e-4, 2e-4]
    assert [train(n).pool_size for n in ("cyclegan", "agit", "ugatit", "pix2pix")] == [50, 50, 0, 0]
    assert terms("pconv")["hole"] == 6 / 2 and terms("pconv")["valid"] == 1 / 2  # of pictures in [-1, 1]
    assert terms("pconv")["variation"] == 0.1 / 2 and terms("lbam")["l1"] == 1 / 2
    assert terms("lbam")["gradient_penalty"] == pytest.approx(10 * 4 * terms("lbam")["adversarial"])
    assert (train("lbam").optimizer_of("generator").lr, train("lbam").optimizer_of("discriminator").lr) == (1e-4, 1e-5)
    assert terms("super-resolution-x4") == terms("super-resolution-x8") == {"content": 1}
    assert terms("style") == {"content": 1, "style": 1e5, "smooth": 2.5e-6}
    assert (train("style").steps, train("style").batch_size, train("style").optimizer.lr) == (40_000, 4, 1e-3)
    assert train("gatys").steps * train("gatys").optimizer.max_iter == 500
    assert train("ugatit").optimizer.weight_decay == 1e-4 and train("ugatit").steps == 1_000_000
