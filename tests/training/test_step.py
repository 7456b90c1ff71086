from __future__ import annotations

import copy
from collections.abc import Mapping
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gankit.core.errors import TrainingError
from gankit.methods.plan import Term
from gankit.training.assemble import assemble
from gankit.training.devices import DeviceError, Devices
from gankit.training.sampling import at_rest
from gankit.training.seeds import reseed
from gankit.training.step import Stepper
from tests.training.tiny import AGIT, CRITIC, CYCLEGAN, UGATIT, recipe

SGD = {"type": "sgd", "lr": 0.1}


def stepper(method: dict | None = None, losses: dict | None = None, **options: Any) -> Stepper:
    torch.manual_seed(0)
    parts = assemble(recipe(**({"method": method} if method else {}), **({"losses": losses} if losses else {})))
    parts.method.train()
    return Stepper(parts.method, parts.terms, **{"pool_size": 0, "devices": Devices(torch.device("cpu"))} | options)


def batch(count: int = 2, seed: int = 0) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(seed)
    return {field: torch.rand(count, 3, 16, 16, generator=generator) * 2 - 1 for field in ("a", "b")}


def weights(one: Stepper) -> dict[str, Tensor]:
    return {k: v.clone() for k, v in one.method.networks.state_dict().items()}


def halves(whole: Mapping[str, Tensor]) -> list[dict[str, Tensor]]:
    return [{k: v[i : i + 1] for k, v in whole.items()} for i in range(2)]


CRITIC_FIRST = UGATIT | {"discriminator": CRITIC}  # its own has spectral norm, whose iteration counts forwards


@pytest.mark.parametrize("method", [None, AGIT, CRITIC_FIRST], ids=["cyclegan", "agit", "ugatit, critic first"])
def test_accumulated_batches_are_one_larger_batch(method: dict | None) -> None:
    joined, accumulated = (stepper(method, optimizer=SGD) for _ in range(2))
    for one in (joined, accumulated):
        one.method.double()  # rounding would grow from step to step
    whole = {k: v.double() for k, v in batch().items()}
    for _ in range(2):
        ours, theirs = accumulated.step(halves(whole)), joined.step(whole)
        assert ours == pytest.approx(theirs, rel=1e-6)
    for name, value in weights(joined).items():
        torch.testing.assert_close(weights(accumulated)[name], value, rtol=0, atol=1e-9, msg=name)


def test_the_average_is_the_running_mean_of_the_generators() -> None:
    one = stepper(ema=0.75)
    expected: dict[str, Tensor] = {}
    for seed in range(3):
        one.step(batch(seed=seed))
        now = {k: v for k, v in weights(one).items() if k.startswith("generator")}
        expected = {k: 0.75 * expected[k] + 0.25 * v if expected else v for k, v in now.items()}
    with one.averaged():
        for name, value in expected.items():
            torch.testing.assert_close(weights(one)[name], value, msg=name)
    last = weights(one)
    assert any(not torch.equal(last[name], value) for name, value in expected.items())


def test_clipping_bounds_the_change() -> None:
    one = stepper(optimizer={"type": "sgd", "lr": 1.0}, clip_norm=0.01)
    before = weights(one)
    one.step(batch())
    for side in ("generator", "discriminator"):
        moved = [(value - before[k]).flatten() for k, value in weights(one).items() if k.startswith(side)]
        assert torch.cat(moved).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_the_rate_of_a_turn_is_its_own() -> None:
    own = {"discriminator": {"type": "sgd", "lr": 0.5}}
    one = stepper(optimizer={"type": "adam", "lr": 0.1, "betas": (0.5, 0.999)}, optimizers=own)
    assert one.set_rate(0.5) == {"generator": 0.05, "discriminator": 0.25}
    assert one.set_rate(1.0) == {"generator": 0.1, "discriminator": 0.5}


def asking(one: Stepper) -> set[str]:
    return {name for name, p in one.method.networks.named_parameters() if p.requires_grad}


@pytest.mark.parametrize("method", [None, CRITIC_FIRST], ids=["generator first", "critic first"])
def test_only_what_a_turn_trains_asks_for_gradients_in_it(method: dict | None) -> None:
    one = stepper(method)
    one.method.network("generator", "a2b").requires_grad_(False)  # by the user
    before, seen = asking(one), {}
    for turn in one.turns:
        turn.register_forward_hook(lambda *_, name=turn.turn.name: seen.update({name: asking(one)}))
    one.step(batch())
    for turn in one.turns:
        assert seen[turn.turn.name] == {name for name in before if name.startswith(turn.turn.name)}
    assert asking(one) == before
    with pytest.raises(KeyError):  # nor does an error leave them frozen
        one.step({"a": batch()["a"]})
    assert asking(one) == before


def test_no_gradient_is_computed_for_the_players_in_the_critics_turn() -> None:
    one = stepper()
    for p in one.method.networks.parameters():
        p.grad = None
    critic = one.turns[1]
    with one.passes.learning(critic) as parameters:
        losses, _ = critic(batch(), {key: torch.rand(2, 3, 16, 16) for key in critic.needs})
        torch.stack(list(losses.values())).sum().backward()  # to all that asks
    got = {name.split("_")[0] for name, p in one.method.networks.named_parameters() if p.grad is not None}
    assert got == {"discriminator"} and len(parameters) > 0


def test_a_state_of_another_device_keeps_this_ones_way_of_updating() -> None:
    one, other = stepper(), stepper()
    one.step(batch())
    state = copy.deepcopy(one.state_dict())
    for optimizer in state["optimizers"].values():
        optimizer["param_groups"][0]["fused"] = None
    other.load_state_dict(state)
    assert all(o.param_groups[0]["fused"] for o in other.optimizers.values())
    other.method.load_state_dict(one.method.state_dict())
    one.step(batch(seed=1))
    other.step(batch(seed=1))
    assert all(torch.equal(v, weights(other)[k]) for k, v in weights(one).items())


class Broken(nn.Module):
    def forward(self, output: Tensor) -> Tensor:
        return output.mean() * float("nan")


def test_a_loss_that_is_not_finite_is_named() -> None:
    terms = {"fine": Term(Broken(), from_step=1), "cycle": next(iter(stepper().terms.values()))}
    one = Stepper(stepper().method, terms, pool_size=0, devices=Devices(torch.device("cpu")))
    one.step(batch())
    with pytest.raises(TrainingError, match=r"step 2: the loss generator/fine/a2b .* became nan"):
        one.step(batch())


def test_sampling_leaves_modes_and_buffers() -> None:
    generator = CYCLEGAN["generator"] | {"norm": "batch"}
    one = stepper(CYCLEGAN | {"generator": generator})
    one.method.networks["generator_a2b"].eval()
    modes = [module.training for module in one.method.modules()]
    before = {k: v.clone() for k, v in one.method.state_dict().items()}
    with at_rest(one.method):
        assert not one.method.network("discriminator", "a2b").training
        one.method.networks["generator_a2b"].train()
        one.method.translate(batch()["a"])  # batch norm moves its running statistics
        assert any(not torch.equal(v, before[k]) for k, v in one.method.state_dict().items())
    assert all(torch.equal(v, before[k]) for k, v in one.method.state_dict().items())
    assert [module.training for module in one.method.modules()] == modes


def test_every_generator_of_random_numbers_is_seeded() -> None:
    import random

    import numpy as np

    def draws() -> tuple[float, float, float]:
        return random.random(), float(np.random.rand()), torch.rand(1).item()

    reseed(1, 0, 7)
    first = draws()
    reseed(1, 0, 8)
    other = draws()
    reseed(1, 0, 7)
    assert draws() == first
    assert all(a != b for a, b in zip(first, other, strict=True))


def test_a_device_that_is_not_here_is_refused() -> None:
    for name in ("cuda:99", "abacus", "meta"):
        with pytest.raises(DeviceError, match=name):
            Devices.choose(name)
