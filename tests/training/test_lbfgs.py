"""L-BFGS: several evaluations in a step, and an exact resume."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image
from torch import nn

import gankit
from gankit.core.errors import RecipeError
from gankit.losses.adversarial import LSGAN
from gankit.losses.reconstruction import L1
from gankit.methods.gatys import Gatys
from gankit.optimizers.gradient import Adam
from gankit.optimizers.lbfgs import LBFGS
from gankit.training.step import Stepper
from tests.methods import small
from tests.training.conftest import Killed
from tests.training.tiny import CYCLEGAN, digests, recipe

SETTINGS = {"type": "lbfgs", "max_iter": 2, "history_size": 3}


class Squared(nn.Module):
    def forward(self, output: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
        return (output - target).square().mean()


def gatys(tmp_path: Path, **optimizer: Any) -> dict[str, Any]:
    path = tmp_path / "picture.png"
    if not path.exists():
        Image.effect_noise((20, 16), 80).convert("RGB").save(path)
    chosen = recipe(
        {"type": "gatys", "content": str(path), "style": str(path), "size": None, "start": "noise"},
        {"pixel": {"type": "pixel", "distance": "charbonnier"}, "smooth": {"type": "total_variation", "weight": 0.1}},
        optimizer=SETTINGS | optimizer,
        save_every=3,
        batch_size=1,
    )
    return chosen | {"data": "none"}


@pytest.mark.parametrize("search", [None, "strong_wolfe"])
def test_resume_ends_with_the_same_bytes(search: str | None, kill_after: Callable[[int], None], tmp_path: Path) -> None:
    chosen = gatys(tmp_path, line_search_fn=search)
    gankit.train(chosen, tmp_path / "alone")
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")


def test_the_same_as_torchs_own(tmp_path: Path) -> None:
    gatys(tmp_path)
    torch.manual_seed(0)
    method = Gatys(str(tmp_path / "picture.png"), start="noise", size=None)
    theirs = method.network("picture", "a2b")().detach().clone().requires_grad_()
    stepper = Stepper(method, {"pixel": Squared()}, optimizer=partial(LBFGS, lr=1.0, max_iter=4))
    optimizer = torch.optim.LBFGS([theirs], 1.0, 4, tolerance_grad=0, tolerance_change=0, history_size=100)

    def objective() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (theirs - method.target()).square().mean()
        loss.backward()
        return loss

    for _ in range(3):
        seen = stepper.step({})
        first = optimizer.step(objective)
        assert seen["generator/pixel/a2b"] == pytest.approx(first.item())
    assert torch.equal(method.network("picture", "a2b")(), theirs)


def test_batches_are_one_objective() -> None:
    """Accumulated halves give the step of the whole batch."""
    nets = []
    for halves in (False, True):
        method = small.cyclegan()
        stepper = Stepper(method, {"l1": Squared()}, optimizer=partial(LBFGS, lr=0.1, max_iter=3))
        whole = small.batch(n=2)
        parts = [{k: v[i : i + 1] for k, v in whole.items()} for i in range(2)] if halves else whole
        stepper.step(parts)
        nets.append(torch.cat([p.detach().flatten() for p in method.network("generator", "a2b").parameters()]))
    torch.testing.assert_close(nets[0], nets[1], atol=1e-4, rtol=1e-3)


def test_it_serves_players_of_a_game_too() -> None:
    method = small.cyclegan()
    stepper = Stepper(
        method,
        {"adversarial": LSGAN(), "l1": L1()},
        optimizer=partial(LBFGS, lr=1e-3, max_iter=2),
        optimizers={"discriminator": partial(Adam, lr=1e-3)},
    )
    assert len(stepper.step(small.batch())) == 6


def test_the_memory_format_is_refused_in_words() -> None:
    with pytest.raises(RecipeError, match=r"train\.channels_last: LBFGS takes"):
        gankit.train(recipe(CYCLEGAN, optimizer=SETTINGS, channels_last=True))


def test_fp16_is_refused_in_words() -> None:
    with pytest.raises(RecipeError, match=r"train\.optimizer: LBFGS cannot scale its losses.*fp32 or bf16"):
        gankit.train(recipe(CYCLEGAN, optimizer=SETTINGS, precision="fp16"))
