from __future__ import annotations

import copy
from collections.abc import Mapping
from functools import partial
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn
from torch.utils._python_dispatch import TorchDispatchMode

from gankit.core.errors import TrainingError
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.losses.reconstruction import Cycle
from gankit.methods.base import tensor
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.plan import Term
from gankit.optimizers.gradient import SGD, Adam
from gankit.report.samples import at_rest
from gankit.training.assemble import assemble
from gankit.training.average import Average
from gankit.training.devices import DeviceError, Devices
from gankit.training.seeds import reseed
from gankit.training.step import Stepper
from tests.training.tiny import AGIT, CRITIC, CYCLEGAN, UGATIT, recipe


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
    joined, accumulated = (stepper(method, optimizer=partial(SGD, lr=0.1)) for _ in range(2))
    for one in (joined, accumulated):
        one.method.double()  # rounding would grow from step to step
    whole = {k: v.double() for k, v in batch().items()}
    for _ in range(2):
        ours, theirs = accumulated.step(halves(whole)), joined.step(whole)
        assert ours == pytest.approx(theirs, rel=1e-6)
    for name, value in weights(joined).items():
        torch.testing.assert_close(weights(accumulated)[name], value, rtol=0, atol=1e-9, msg=name)


class Shifted(CycleGAN):
    """Draws something that its critic is told."""

    carried = ("output", "shift")

    @tensor
    def shift(self, source: Tensor) -> Tensor:
        return torch.rand(len(source), 1, 1, 1)

    @tensor
    def output(self, translated: Tensor, shift: Tensor) -> Tensor:  # type: ignore[override]
        return translated + shift


class Told(nn.Module):
    turn = "discriminator"

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[Tensor] = []

    def forward(self, fake_logits: Tensor, output: Tensor, shift: Tensor) -> Tensor:
        self.seen.append(output - shift)
        return fake_logits.mean()


@pytest.mark.parametrize("together", [True, False])
def test_what_a_critic_takes_comes_from_one_draw(together: bool) -> None:
    """Also where its fakes are made for it alone, as for accumulated batches of a critic that plays first."""
    generator = partial(ResnetGenerator, channels=4, blocks=1)
    method, told = Shifted(generator, partial(PatchDiscriminator, channels=4, layers=1)), Told()
    method.turns = lambda: list(reversed(CycleGAN.turns(method)))
    whole = batch()
    fakes = {d: method.network("generator", d)(whole[d[0]]).detach() for d in method.directions}
    one = Stepper(method, {"told": told, "cycle": Cycle()}, pool_size=0, devices=Devices(torch.device("cpu")))
    one.step(whole if together else halves(whole))
    expected = [fakes[d] for d in fakes] if together else [fakes[d][i : i + 1] for i in range(2) for d in fakes]
    for seen, fake in zip(told.seen, expected, strict=True):
        torch.testing.assert_close(seen, fake)


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


def test_the_average_has_torchs_bits_and_reads_nothing_from_the_device() -> None:
    class Reads(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            assert func is not torch.ops.aten._local_scalar_dense.default, "it waits for the device"
            return func(*args, **(kwargs or {}))

    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.BatchNorm2d(4))
    ours, theirs = Average(net, 0.9), AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.9))
    for _ in range(3):
        for value in net.state_dict().values():
            value.add_(1 if not value.is_floating_point() else torch.rand_like(value))
        with Reads():
            ours.update(net)
        theirs.update_parameters(net)
    expected = theirs.module.state_dict()
    assert all(torch.equal(value, expected[name]) for name, value in ours.module.state_dict().items())
    assert ours.updates == 3 and not any(p.requires_grad for p in ours.module.parameters())


def test_where_there_is_no_loss_what_is_averaged_lies_on_the_device() -> None:
    one = stepper()
    one.devices = Devices(torch.device("meta"))  # stands for a GPU: NCCL refuses what lies elsewhere
    assert one._stacked({}).device.type == "meta"


def test_flags_of_processes_do_not_wait_for_gpus(monkeypatch: pytest.MonkeyPatch) -> None:
    groups: list[Any] = []
    said: list[tuple[Tensor, Any]] = []
    for name, value in {"RANK": "1", "WORLD_SIZE": "2", "LOCAL_RANK": "0"}.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(Devices, "choose", staticmethod(lambda device: torch.device("cuda")))
    monkeypatch.setattr(torch.cuda, "set_device", lambda device: None)
    monkeypatch.setattr(dist, "is_initialized", lambda: False)
    monkeypatch.setattr(dist, "init_process_group", groups.append)
    monkeypatch.setattr(dist, "new_group", lambda backend: backend)
    monkeypatch.setattr(dist, "all_reduce", lambda tensor, op, group: said.append((tensor, group)))
    devices = Devices.open("cuda")
    assert devices.any(True) and groups == ["nccl"]
    assert [(tensor.device.type, group) for tensor, group in said] == [("cpu", "gloo")]


def test_clipping_bounds_the_change() -> None:
    one = stepper(optimizer=partial(SGD, lr=1.0), clip_norm=0.01)
    before = weights(one)
    one.step(batch())
    for side in ("generator", "discriminator"):
        moved = [(value - before[k]).flatten() for k, value in weights(one).items() if k.startswith(side)]
        assert torch.cat(moved).norm().item() == pytest.approx(0.01, rel=1e-3)


def test_the_rate_of_a_turn_is_its_own() -> None:
    one = stepper(optimizer=partial(Adam, lr=0.1), optimizers={"discriminator": partial(SGD, lr=0.5)})
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
