"""Runs outlast their plugins: those of an older version, of a newer one, and those whose loss is gone."""

from __future__ import annotations

import json
import textwrap
from pathlib import Path
from typing import Any

import pytest
import torch

import gankit
from gankit.core.errors import CheckpointError, RecipeError
from gankit.interop.export import export
from gankit.training import checkpoint
from gankit.training.run import Run
from tests.installed import Site
from tests.training.tiny import CYCLE, CYCLEGAN, digests, recipe

HOOKS = textwrap.dedent(
    """
    from gankit import hookimpl

    @hookimpl
    def gankit_components(add):
        add("norm", "bent", "{module}.parts:Bent", "x times a power of its size")
        add("loss", "dark", "{module}.parts:Dark", "outputs are dark")
        add("metric", "light", "{module}.parts:Light", "how light outputs are")
        add("optimizer", "plain", "{module}.parts:Plain", "gradient descent")
        add("schedule", "half", "{module}.parts:Half", "half of the rate")
        add("callback", "quiet", "{module}.parts:Quiet", "says nothing")
    """
)
PARTS = textwrap.dedent(
    """
    import torch
    from torch import Tensor, nn
    from gankit.callbacks import Callback
    from gankit.evaluation import PSNR
    from gankit.slots import Position

    class Bent(nn.Module):
        def __init__(self, channels: int, power: float = 0.5) -> None:
            super().__init__()
            self.power = power

        def forward(self, x: Tensor) -> Tensor:
            return x * (x.square() + 1e-3) ** -(self.power / 2)

    class Dark(nn.Module):
        def __init__(self, power: float = 1.0) -> None:
            super().__init__()
            self.power = power

        def forward(self, output: Tensor) -> Tensor:
            return (output + 1).abs().pow(self.power).mean()

    class Light(PSNR):
        pass

    class Plain(torch.optim.SGD):
        def __init__(self, params, lr: float = 1e-3) -> None:
            super().__init__(params, lr)

    class Half:
        def __call__(self, position: Position) -> float:
            return 0.5

    class Quiet(Callback):
        pass
    """
)
UPGRADE = """
        @classmethod
        def upgrade(cls, arguments, version):
            renamed = {"power": "exponent"} if version.major < 2 else {}
            return {renamed.get(name, name): value for name, value in arguments.items()}

        def forward("""
RENAMED = PARTS.replace("power: float", "exponent: float").replace("= power", "= exponent")
RENAMED = RENAMED.replace("\n    def forward(", textwrap.dedent(UPGRADE).replace("\n", "\n    "))
BENT = CYCLEGAN | {"generator": CYCLEGAN["generator"] | {"norm": {"type": "bent", "power": 0.25}}}
GLOOM = CYCLE | {"dark": {"type": "dark", "power": 2.0, "weight": 3.0}}
X = torch.linspace(-1, 1, 3 * 16 * 16).reshape(3, 16, 16)


def put(install: Site, version: str = "1.2", parts: str = PARTS) -> None:
    install("pp-a", HOOKS, files={"parts.py": parts}, version=version)


def stored(run: str) -> dict[str, Any]:
    latest = Run(Path(run)).latest()
    assert latest is not None
    return dict(checkpoint.load(latest).info)


def test_a_run_of_an_older_plugin_is_used_and_goes_on(install: Site) -> None:
    put(install)
    gankit.train(recipe(BENT, GLOOM, steps=4), "whole")
    gankit.train(recipe(BENT, GLOOM, steps=2), "run")
    before = gankit.load("run").translate(X)
    assert stored("run")["versions"]["pp-a"] == "1.2" and stored("run")["versions"]["gankit"] == gankit.__version__
    assert json.loads(Path("run/recipe.json").read_text())["versions"]["pp-a"] == "1.2"

    put(install, "2.0", RENAMED)
    model = gankit.load("run")
    assert model.recipe.method.generator.norm.exponent == 0.25  # pyright: ignore[reportAttributeAccessIssue]
    assert torch.equal(model.translate(X), before)
    today = json.loads(json.dumps(recipe(BENT, GLOOM, steps=4)).replace("power", "exponent"))
    gankit.train(today, "run", resume=True)
    assert stored("run")["versions"]["pp-a"] == "2.0"
    assert digests(Path("run")) == digests(Path("whole"))
    with pytest.raises(RecipeError, match="dark takes no `power`"):  # nobody has said that this one is old
        gankit.train(recipe(BENT, GLOOM, steps=4), "run", resume=True)


def test_a_changed_argument_is_still_a_difference(install: Site) -> None:
    put(install)
    gankit.train(recipe(BENT, GLOOM, steps=1), "run")
    put(install, "2.0", RENAMED)
    changed = json.loads(json.dumps(recipe(BENT, GLOOM, steps=2)).replace("power", "exponent").replace("2.0", "1.5"))
    with pytest.raises(RecipeError, match=r"is 1.5, but the run in run was trained with 2.0") as caught:
        gankit.train(changed, "run", resume=True)
    assert [problem.path for problem in caught.value.problems] == ["losses.dark.exponent"]


def test_a_run_of_a_newer_plugin_is_used_with_a_warning(install: Site, caplog: pytest.LogCaptureFixture) -> None:
    put(install)
    gankit.train(recipe(BENT, GLOOM, steps=1), "run")
    put(install, "1.0")
    gankit.load("run")
    [line] = [record.getMessage() for record in caplog.records]
    assert "the recipe tiny was written with pp-a 1.2, and 1.0 is installed" in line


def test_a_run_whose_loss_is_gone_is_used_but_not_trained(install: Site) -> None:
    put(install)
    whole = recipe(losses=GLOOM, steps=1) | {"evaluate": {"metrics": ["psnr"]}}
    gankit.train(whole, "run")
    before = gankit.load("run").translate(X)

    install.remove("pp-a")
    assert torch.equal(gankit.load("run").translate(X), before)
    assert {figure.metric for figure in gankit.evaluate("run")} == {"psnr"}
    export(gankit.load("run"), "hub-folder", Path("hub"))
    assert torch.equal(gankit.load("hub").translate(X), before)
    assert checkpoint.load(Path("hub")).info["versions"]["pp-a"] == "1.2"  # what has made it, though it is not here

    for training in (
        lambda: gankit.train("run/recipe.yaml", "run", resume=True),
        lambda: gankit.build("run/recipe.yaml"),
    ):
        with pytest.raises(
            RecipeError, match=r"run/recipe\.yaml:\d+:\d+ losses\.dark\.type: no loss is called 'pp-a/dark'"
        ):
            training()
    with pytest.raises(
        RecipeError, match=r"losses\.dark\.type: no loss is called 'pp-a/dark': no plugin pp-a is installed"
    ):
        gankit.build(gankit.load("run").recipe)
    gankit.train(recipe(steps=1) | {"train": recipe(steps=1)["train"] | {"init_from": "run"}}, "next")


def test_all_that_a_training_alone_needs_may_be_gone(install: Site) -> None:
    put(install)
    parts = {"optimizer": "plain", "optimizers": {"discriminator": {"type": "plain", "lr": 2e-3}}}
    parts |= {"schedule": "half", "callbacks": ["quiet"]}
    gankit.train(recipe(losses=GLOOM, steps=1, **parts), "run")
    before = gankit.load("run").translate(X)

    install.remove("pp-a")
    model = gankit.load("run")
    assert torch.equal(model.translate(X), before)
    assert len(gankit.evaluate("run"))
    export(model, "hub-folder", Path("hub"))
    assert torch.equal(gankit.load("hub").translate(X), before)
    with pytest.raises(RecipeError) as caught:
        gankit.build(model.recipe)
    keys = ("optimizer", "optimizers.discriminator", "schedule", "callbacks.0")
    assert [p.path for p in caught.value.problems] == ["losses.dark.type", *(f"train.{key}.type" for key in keys)]


def test_a_metric_that_is_gone_is_missed_by_the_evaluation_alone(install: Site) -> None:
    put(install)
    gankit.train(recipe(steps=1) | {"evaluate": {"metrics": ["psnr", "light"]}}, "run")
    install.remove("pp-a")
    gankit.load("run").translate(X)
    with pytest.raises(RecipeError, match=r"evaluate\.metrics\.1\.type: no metric is called 'pp-a/light'"):
        gankit.evaluate("run")
    assert len(gankit.evaluate("run", metrics=["psnr"]))


def test_a_run_whose_norm_is_gone_says_what_to_install(install: Site) -> None:
    put(install)
    gankit.train(recipe(BENT, steps=1), "run")
    install.remove("pp-a")
    with pytest.raises(
        RecipeError, match="no norm is called 'pp-a/bent': no plugin pp-a is installed; try `pip install"
    ):
        gankit.load("run")
    with pytest.raises(CheckpointError, match=r"run/recipe\.json does not fit the parts that are installed"):
        gankit.train(recipe(steps=2), "run", resume=True)
