"""gankit-r3gan: its losses, and the two wheels in an environment of their own."""

from __future__ import annotations

import json
import math
from pathlib import Path

import pytest
import torch
from torch import nn

from tests.plugins import wheels
from tests.plugins.wheels import PLUGINS, ROOT, call, check_imports, gankit


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(PLUGINS / "gankit-r3gan")
    import gankit_r3gan.losses

    return gankit_r3gan.losses


def test_the_players_pay_for_the_difference_alone(losses) -> None:
    loss = losses.Relativistic()
    real, fake = torch.tensor([[2.0], [0.0]]), torch.tensor([[1.0], [3.0]])
    softplus = [math.log1p(math.exp(x)) for x in (1.0, -3.0, -1.0, 3.0)]
    assert loss(fake, real).item() == pytest.approx((softplus[0] + softplus[1]) / 2)
    assert loss.discriminator(real, fake).item() == pytest.approx((softplus[2] + softplus[3]) / 2)
    assert loss(fake + 5, real + 5).item() == pytest.approx(loss(fake, real).item())
    assert loss((fake, real), (real, fake)).item() == pytest.approx((loss(fake, real) + loss(real, fake)).item())


def test_pairs_of_different_shape_are_refused(losses) -> None:
    with pytest.raises((ValueError, RuntimeError)):
        losses.Relativistic()((torch.ones(2, 1),), (torch.ones(2, 1), torch.ones(2, 1)))


def test_the_penalty_is_that_of_a_linear_critic(losses) -> None:
    critic = nn.Linear(4, 1)
    with torch.no_grad():
        critic.weight.copy_(torch.tensor([[1.0, 2.0, 0.0, -1.0]]))
    penalty = losses.R1R2()(lambda x: critic(x.flatten(1)), torch.randn(3, 1, 2, 2), torch.randn(3, 1, 2, 2))
    assert penalty.item() == pytest.approx((6 + 6) / 2)
    penalty.backward()
    assert critic.weight.grad is not None
    torch.testing.assert_close(critic.weight.grad, 2 * critic.weight.detach())


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.environment(tmp_path_factory.mktemp("wheels"), "gankit-r3gan")


def test_the_wheels_are_complete(environment: Path) -> None:
    where = call(str(environment / "bin" / "python"), "-c", "import gankit; print(gankit.__file__)", cwd=environment)
    assert where.startswith(str(environment))
    site = Path(where.strip()).parents[1]
    assert (site / "gankit" / "py.typed").is_file()
    shipped = {path.stem for path in (site / "gankit" / "recipes").glob("*.yaml")}
    assert shipped == {path.stem for path in (ROOT / "recipes").glob("*.yaml")}


def test_the_plugin_is_listed(environment: Path) -> None:
    found = {(c["name"], c["source"]) for c in json.loads(gankit(environment, "list", "loss", "--json"))}
    assert {("relativistic", "gankit-r3gan"), ("r1_r2", "gankit-r3gan"), ("lsgan", "gankit")} <= found
    [status] = json.loads(gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["version"], status["state"]) == ("gankit-r3gan", "0.1.0", "ok")
    assert status["recipes"] == ["cyclegan-r3gan"]
    assert "cyclegan-r3gan" in gankit(environment, "recipes")


def test_its_recipe_takes_a_real_step(environment: Path) -> None:
    small = ["method.generator.channels=4", "method.generator.blocks=1", "method.discriminator.channels=4"]
    small += ["data.load_size=40", "data.crop_size=32"]
    gankit(environment, "build", "cyclegan-r3gan", "--check", *(part for s in small for part in ("--set", s)))


def test_without_the_plugin_the_recipe_says_what_is_missing(environment: Path) -> None:
    gankit(environment, "--no-plugin", "gankit-r3gan", "build", "cyclegan-r3gan", code=2)
    assert "relativistic" not in gankit(environment, "--no-plugin", "gankit-r3gan", "list", "loss")


def test_what_the_plugin_imports() -> None:
    check_imports("gankit-r3gan")
