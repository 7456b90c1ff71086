"""An optimizer that averages what it trains: pictures and commands see the average, the training does not."""

from __future__ import annotations

import sys
from functools import partial
from pathlib import Path

import pytest
import torch
from torch import nn

import gankit
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, RecipeError
from gankit.core.recipe import Recipe
from gankit.core.schema import spec_of
from gankit.norms.bounded import Bounded
from gankit.optimizers.gradient import SGD
from gankit.optimizers.schedule_free import ScheduleFreeAdamW
from gankit.training import checkpoint
from gankit.training.run import Run
from tests.training.test_step import batch, stepper, weights
from tests.training.tiny import CYCLE, UGATIT, recipe

CHOSEN = {"type": "schedule_free_adamw", "lr": 0.01}


def test_it_is_the_mean_of_the_fast_sequence() -> None:
    p = nn.Parameter(torch.zeros(3, dtype=torch.float64))
    optimizer = ScheduleFreeAdamW([p], lr=0.1)
    fast = []
    for i in range(4):
        p.grad = torch.tensor([1.0, -2.0, 0.5 * i], dtype=torch.float64)
        optimizer.step()
        fast.append(optimizer.state[p]["z"].clone())
    trained = p.detach().clone()
    with optimizer.averaged():
        torch.testing.assert_close(p.detach(), torch.stack(fast).mean(0), rtol=1e-12, atol=1e-12)
    assert torch.equal(p, trained)
    p.grad = torch.ones_like(p)
    optimizer.step()  # it may go on


def test_within_averaged_the_networks_hold_it_and_after_it_the_bits_of_before() -> None:
    one = stepper(optimizer=partial(ScheduleFreeAdamW, lr=0.01), optimizers={"discriminator": SGD})
    first = weights(one)
    for seed in range(3):
        one.step(batch(seed=seed))
    trained, average = weights(one), one.average()
    assert average is not None
    with pytest.raises(RuntimeError), one.averaged():
        now = weights(one)
        raise RuntimeError("an error gives the weights back too")
    assert {name for name in now if not torch.equal(now[name], trained[name])} == {
        name for name in trained if name.startswith("generator") and not torch.equal(trained[name], first[name])
    }
    assert all(torch.equal(now[name], value) for name, value in average.items())
    assert all(torch.equal(value, trained[name]) for name, value in weights(one).items())
    assert all(name.startswith("generator") for name in average)


def test_the_average_keeps_to_the_bounds_of_rho() -> None:
    """It extrapolates from y over z, and of the two only y is held in [0, 1]."""
    one = stepper(UGATIT, CYCLE, optimizer=partial(ScheduleFreeAdamW, lr=0.01))
    one.step(batch())
    bounded = [m for m in one.method.networks.modules() if isinstance(m, Bounded)]
    optimizer = one.optimizers["generator"]
    with torch.no_grad():
        for module in bounded:
            module.rho.fill_(1.0)
            optimizer.state[module.rho]["z"].fill_(0.5)
    with one.averaged():
        assert bounded and all(module.rho.min() >= 0 and module.rho.max() == 1 for module in bounded)
    with optimizer.averaged():
        assert all(module.rho.min() > 1 for module in bounded)


def test_a_run_loads_its_average_and_goes_on_from_what_was_trained(tmp_path: Path) -> None:
    model = gankit.train(recipe(optimizer=CHOSEN, steps=3), tmp_path / "run")
    stored = checkpoint.load(Run(tmp_path / "run").latest() or tmp_path)
    ours = model.method.networks.state_dict()
    assert model.ema and stored.ema
    assert all(torch.equal(ours[name], value) for name, value in stored.ema.items())
    assert any(not torch.equal(stored.networks[name], value) for name, value in stored.ema.items())
    assert set(stored.ema) == {name for name in ours if name.startswith("generator")}


def test_one_average_is_enough(tmp_path: Path) -> None:
    with pytest.raises(RecipeError, match=r"train\.ema: the optimizer averages what it trains already"):
        gankit.train(recipe(optimizer=CHOSEN, ema=0.9), tmp_path / "run")
    with pytest.raises(BuildError, match="averages"):
        stepper(optimizer=ScheduleFreeAdamW, ema=0.9)


def test_without_its_package_the_recipe_is_refused_with_the_pip_command(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "schedulefree", None)
    monkeypatch.delitem(sys.modules, "gankit.optimizers.schedule_free")
    catalogue.cache_clear()
    spec_of.cache_clear()
    with pytest.raises(RecipeError) as caught:
        Recipe.load(recipe(optimizer=CHOSEN))
    assert str(caught.value) == (
        "train.optimizer.type: optimizer gankit/schedule_free_adamw: it needs the package schedulefree: "
        "pip install 'gankit[schedulefree]'"
    )
    monkeypatch.undo()
    catalogue.cache_clear()  # its entries have failed


@pytest.mark.parametrize("watched", ["generator/cycle/a2c", "generator/nothing/a2b"])
def test_a_plateau_that_watches_no_loss_is_refused_at_build(watched: str) -> None:
    schedule = {"type": "warmup", "then": {"type": "plateau", "watch": watched}}
    with pytest.raises(RecipeError, match=rf"train\.schedule: watches '{watched}', and no loss is called so") as caught:
        gankit.build(recipe(schedule=schedule))
    assert "'generator/cycle/a2b'?" in str(caught.value) or "there are: generator/" in str(caught.value)
