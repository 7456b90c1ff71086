"""gankit-r3gan: its losses, and the two wheels in an environment of their own."""

from __future__ import annotations

import json
import math
import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import pytest
import torch
from torch import nn

ROOT = Path(__file__).parents[2]
PLUGIN = ROOT / "plugins" / "gankit-r3gan"


@pytest.fixture
def losses(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.syspath_prepend(PLUGIN)
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
    """An environment with the two wheels; the heavy packages come from this one through a .pth file."""
    folder = tmp_path_factory.mktemp("wheels")
    for project in (ROOT, PLUGIN):
        _call(sys.executable, "-m", "build", "--wheel", "--no-isolation", "--outdir", str(folder), str(project))
    home = folder / "env"
    venv.create(home, with_pip=False)
    python = home / "bin" / "python"
    wheels = sorted(str(path) for path in folder.glob("*.whl"))
    assert [Path(w).name.split("-")[0] for w in wheels] == ["gankit", "gankit_r3gan"]
    pip = [sys.executable, "-m", "pip", "--python", str(python), "install", "--no-deps", "--no-index", "--quiet"]
    _call(*pip, *wheels)
    site = Path(_call(str(python), "-c", "import sysconfig; print(sysconfig.get_path('purelib'))").strip())
    (site / "heavy.pth").write_text(sysconfig.get_path("purelib") + "\n")
    return home


def _call(*command: str, cwd: Path | None = None, code: int = 0) -> str:
    clean = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "GANKIT"))} | {"OMP_NUM_THREADS": "1"}
    done = subprocess.run(command, capture_output=True, text=True, cwd=cwd, env=clean, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout


def _gankit(environment: Path, *arguments: str, code: int = 0) -> str:
    return _call(str(environment / "bin" / "gankit"), *arguments, cwd=environment, code=code)


def test_the_wheels_are_complete(environment: Path) -> None:
    where = _call(str(environment / "bin" / "python"), "-c", "import gankit; print(gankit.__file__)", cwd=environment)
    assert where.startswith(str(environment))
    site = Path(where.strip()).parents[1]
    assert (site / "gankit" / "py.typed").is_file()
    shipped = {path.stem for path in (site / "gankit" / "recipes").glob("*.yaml")}
    assert shipped == {path.stem for path in (ROOT / "recipes").glob("*.yaml")}


def test_the_plugin_is_listed(environment: Path) -> None:
    found = {(c["name"], c["source"]) for c in json.loads(_gankit(environment, "list", "loss", "--json"))}
    assert {("relativistic", "gankit-r3gan"), ("r1_r2", "gankit-r3gan"), ("lsgan", "gankit")} <= found
    [status] = json.loads(_gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["version"], status["state"]) == ("gankit-r3gan", "0.1.0", "ok")
    assert status["recipes"] == ["cyclegan-r3gan"]
    assert "cyclegan-r3gan" in _gankit(environment, "recipes")


def test_its_recipe_takes_a_real_step(environment: Path) -> None:
    small = ["method.generator.channels=4", "method.generator.blocks=1", "method.discriminator.channels=4"]
    small += ["data.load_size=40", "data.crop_size=32"]
    _gankit(environment, "build", "cyclegan-r3gan", "--check", *(part for s in small for part in ("--set", s)))


def test_without_the_plugin_the_recipe_says_what_is_missing(environment: Path) -> None:
    _gankit(environment, "--no-plugin", "gankit-r3gan", "build", "cyclegan-r3gan", code=2)
    assert "relativistic" not in _gankit(environment, "--no-plugin", "gankit-r3gan", "list", "loss")


def test_the_module_that_is_always_imported_is_light() -> None:
    code = f"import sys; sys.path.insert(0, {str(PLUGIN)!r}); import gankit_r3gan; assert 'torch' not in sys.modules"
    _call(sys.executable, "-c", code)


def test_the_plugin_uses_nothing_private() -> None:
    for path in (PLUGIN / "gankit_r3gan").glob("*.py"):
        lines = [line for line in path.read_text().splitlines() if "import" in line and "gankit" in line]
        assert not [line for line in lines if "._" in line or " _" in line or "gankit.core" in line]
