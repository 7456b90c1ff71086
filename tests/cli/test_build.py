"""`gankit build`: what it prints, what it refuses, and with which exit code."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from gankit.cli.main import app

RECIPE = """\
gankit: 1
method:
  type: cyclegan
  generator: {type: resnet, channels: 2, blocks: 1}
  discriminator: {type: patch, channels: 2, layers: 1}
losses:
  adversarial: {type: lsgan}
  cycle: {type: cycle, weight: {a2b: 10, b2a: 5}}
data: {type: shapes, size: 16}
train: {steps: 4, batch_size: 2}
"""


@pytest.fixture
def recipe(tmp_path: Path) -> Path:
    path = tmp_path / "small.yaml"
    path.write_text(RECIPE)
    return path


def build(*arguments: str | Path):
    return CliRunner().invoke(app, ["build", *map(str, arguments)])


def test_it_says_what_the_recipe_is_made_of(recipe: Path) -> None:
    result = build(recipe)
    assert result.exit_code == 0, result.output
    assert "small: cyclegan, batch of 2, a 3 × 16 × 16, b 3 × 16 × 16" in result.output
    for part in ("generator_a2b", "weight a2b 10, b2a 5", "1. generator", "2. discriminator", "memory in training"):
        assert part in result.output
    assert "discriminator: real_logits, fake_logits" in result.output


def test_costs_are_told_when_asked_for(recipe: Path) -> None:
    assert "multiply-adds" not in build(recipe).output
    output = build(recipe, "--costs").output
    assert "multiply-adds" in output and "saved tensors" in output
    memory = {costs: json.loads(build(recipe, "--json", *costs).stdout)["memory"] for costs in ((), ("--costs",))}
    assert memory[()].pop("activations") is None and memory["--costs",].pop("activations") > 0
    assert memory[()].pop("total") < memory["--costs",].pop("total")
    assert memory[()] == memory["--costs",]


def test_json(recipe: Path) -> None:
    found = json.loads(build(recipe, "--json", "--costs", "--check").stdout)
    assert found["recipe"] == "small"
    assert found["pictures"] == {"a": [2, 3, 16, 16], "b": [2, 3, 16, 16]}
    assert {network["key"] for network in found["networks"]} == {
        f"{r}_{d}" for r in ("generator", "discriminator") for d in ("a2b", "b2a")
    }
    assert found["memory"]["total"] == sum(v for k, v in found["memory"].items() if k != "total")
    assert set(found["check"][0]["losses"]) == {
        f"generator/{n}/{d}" for n in ("adversarial", "cycle") for d in ("a2b", "b2a")
    } | {f"discriminator/adversarial/{d}" for d in ("a2b", "b2a")}


def test_check_plays_losses_that_begin_later(recipe: Path) -> None:
    rare = ("--set", "losses.cycle.from_step=3", "--set", "losses.cycle.every=4")
    result = build(recipe, "--check", *rare)
    assert result.exit_code == 0
    assert "generator/cycle/a2b" in result.output
    assert "from step 3 every 4 steps" in " ".join(build(recipe, *rare).output.split())


def test_graph(recipe: Path, tmp_path: Path) -> None:
    assert build(recipe, "--graph", tmp_path / "plan.svg").exit_code == 0
    assert (tmp_path / "plan.svg").read_text().startswith("<svg")
    refused = build(recipe, "--graph", tmp_path / "none" / "plan.svg")
    assert refused.exit_code == 2 and "cannot be written" in refused.output


@pytest.mark.parametrize(
    "old, new, place, words",
    [
        ("{type: lsgan}", "{type: attention_area}", ":7:3 losses.adversarial: ", "needs 'attention'"),
        ("{type: lsgan}", "{type: l1, on: {target: composite}}", ":7:40 losses.adversarial.on.target: ", "'composite'"),
        ("{type: lsgan}", "{type: l1, on: {picture: output}}", ":7:", "no argument 'picture'"),
        ("size: 16", "size: 18", ":9:", "multiples of 4"),
        (
            "{type: resnet, channels: 2, blocks: 1}",
            "{type: unet, channels: 2, downs: 3, norm: adalin}",
            ":4:56 method.generator.norm: ",
            "norm adalin",
        ),
    ],
)
def test_mistakes_that_show_when_the_parts_meet(recipe: Path, old: str, new: str, place: str, words: str) -> None:
    recipe.write_text(RECIPE.replace(old, new))
    result = build(recipe)
    assert result.exit_code == 2
    assert f"small.yaml{place}" in result.output and words in result.output
    assert "Traceback" not in result.output


def test_check_finds_what_does_not_train(recipe: Path) -> None:
    result = build(recipe, "--check", "--set", "method.init_gain=1e15")
    assert result.exit_code == 1
    assert "not finite" in result.output
