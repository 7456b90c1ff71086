from __future__ import annotations

from functools import partial
from typing import Any

import pytest
import torch
from torch import Tensor

from gankit.core.errors import BuildError
from gankit.discriminators.ugatit import UGATITDiscriminator
from gankit.fields import Picture
from gankit.methods.attention_guided import AttentionGuided
from gankit.methods.base import Method
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.paired import Paired
from gankit.methods.plan import Term, plan_turns
from gankit.report import samples
from gankit.report.grids import CELL, GAP, MARGIN
from gankit.report.samples import Samples
from tests.methods import small

LOOKING = partial(UGATITDiscriminator, channels=2, layers=(4, 3))


class Drawn:
    """One item of two pictures of these sizes."""

    fields = {"a": Picture(3), "b": Picture(3)}

    def __init__(self, *size: int) -> None:
        draws = torch.Generator().manual_seed(0)
        self.pictures = {name: torch.rand(3, *size, generator=draws) * 2 - 1 for name in self.fields}

    def __len__(self) -> int:
        return 1

    def split(self, name: str) -> Drawn:
        return self

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        return dict(self.pictures)


def columns(method: Method, *size: int) -> list[str]:
    """The names above the pictures of a grid."""
    seen: list[Any] = []

    def grid(rows: Any) -> Any:
        seen.extend(rows)
        return original(rows)

    original = samples.sample_grid
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(samples, "sample_grid", grid)
        drawn = Samples(Drawn(*size), 1, 0).grid(method)  # type: ignore[arg-type]
    names = [name for name in seen[0] if name != "direction"]
    assert drawn.width == MARGIN + len(names) * (CELL + GAP)
    return names


def test_a_grid_shows_where_critics_look() -> None:
    method = CycleGAN(small.generator, LOOKING)
    looks = [f"critic_{i}_on_{of}" for of in ("real", "fake") for i in (1, 2)]
    assert columns(method, 16, 16) == ["source", "output", "reconstruction", *looks]
    one = partial(UGATITDiscriminator, channels=2, layers=(3,))
    assert columns(CycleGAN(small.generator, one), 16, 16)[3:] == ["critic_on_real", "critic_on_fake"]
    assert columns(small.cyclegan(), 16, 16) == ["source", "output", "reconstruction"]
    assert columns(Paired(small.generator, LOOKING), 16, 16)[-4:] == looks  # it sees the source beside


def test_pictures_of_a_size_that_networks_do_not_take_have_no_heatmaps() -> None:
    assert columns(CycleGAN(small.generator, LOOKING), 18, 18) == ["source", "output", "reconstruction"]


def test_heatmaps_are_of_what_the_critic_sees() -> None:
    method = CycleGAN(small.generator, LOOKING).eval()
    batch, critic = small.batch(), method.network("discriminator", "a2b")
    found = method.tensors_of(batch, "a2b", ("real_heatmaps", "fake_heatmaps"), {"output": batch["a"]})
    assert found is not None and isinstance(critic, UGATITDiscriminator)
    assert torch.equal(found["real_heatmaps"], critic.heatmaps(batch["b"]))
    assert torch.equal(found["fake_heatmaps"], critic.heatmaps(batch["a"]))


def test_in_agits_second_phase_it_sees_masked_pictures() -> None:
    method = AttentionGuided(small.generator, small.mask, LOOKING, threshold=0.5).eval()
    batch, critic = small.batch(), method.network("discriminator", "a2b")
    method.set_epoch(30)
    found = method.tensors_of(batch, "a2b", ("real_heatmaps", "attention", "raw", "fake_heatmaps"))
    back = method.attend(batch["b"], "b2a")
    assert found is not None and back is not None and isinstance(critic, UGATITDiscriminator)
    assert torch.equal(found["real_heatmaps"], critic.heatmaps(batch["b"] * (back >= 0.5)))
    assert torch.equal(found["fake_heatmaps"], critic.heatmaps(found["raw"] * (found["attention"] >= 0.5)))


class Bright(torch.nn.Module):
    """A loss on heatmaps."""

    def forward(self, fake_heatmaps: Tensor) -> Tensor:
        return fake_heatmaps.mean()


def test_a_loss_may_ask_for_heatmaps_of_critics_that_have_them() -> None:
    turn = plan_turns(CycleGAN(small.generator, LOOKING), {"bright": Term(Bright())})[0]
    losses, _ = turn(small.batch(), {})
    assert 0 < float(losses["generator/bright/a2b"].detach()) < 1
    with pytest.raises(BuildError, match=r"its discriminator gives no heatmaps: set method\.discriminator to ugatit"):
        plan_turns(small.cyclegan(), {"bright": Term(Bright())})
