"""Training on a GPU against plain steps there, and against those of a CPU."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.distributed as dist
from torch import Tensor

import gankit
from gankit.augment.ada import ADA
from gankit.augment.diffaugment import DiffAugment
from gankit.kernels import choose
from gankit.optimizers.gradient import SGD, Adam
from gankit.training.assemble import assemble
from gankit.training.devices import Devices
from gankit.training.graphs import WARM_UP, Graphs
from gankit.training.seeds import reseed
from gankit.training.speed import Speed
from gankit.training.step import Stepper
from tests.gpu import DEVICE, MARKS
from tests.training.conftest import Killed
from tests.training.test_graphs import Recorder
from tests.training.test_speed import TRAININGS, batch
from tests.training.tiny import BARE, NOISY, digests, recipe

pytestmark = MARKS
PRECISIONS = ["fp32", "bf16", "fp16"]


@pytest.fixture(autouse=True)
def one_form_of_the_kernels(monkeypatch: pytest.MonkeyPatch) -> None:
    """Recorded steps take Triton's for small maps too, plain ones torch's: what is compared has to take the same."""
    monkeypatch.setattr(choose, "FORCED", "triton" if DEVICE.type == "cuda" and choose.HAS_TRITON else "torch")


def stepper(
    name: str, precision: str = "fp32", recorded: bool = False, device: torch.device = DEVICE, **options: Any
) -> Stepper:
    torch.manual_seed(0)
    method, losses = TRAININGS[name]
    parts = assemble(recipe(method, losses))
    parts.method.train()
    devices = Devices.open(device.type, precision, deterministic=True)
    options = {"pool_size": 1, "optimizer": partial(SGD, lr=1e-3)} | options
    on_gpu = recorded and device.type == "cuda"
    one = Stepper(parts.method, parts.terms, devices=devices, **{"speed": Speed(cuda_graph=on_gpu)} | options)
    if recorded and not on_gpu:
        stand_in = Recorder(parts.method)
        stand_in.also = [buffer for augment in one.augments for buffer in augment.buffers()]
        one.passes.graphs = Graphs(stand_in)
    return one


def play(one: Stepper, steps: int = WARM_UP + 3) -> tuple[list[dict[str, float]], dict[str, Tensor]]:
    """The losses of each step, and the weights at the end."""
    losses = []
    for step in range(steps):
        reseed(0, 0, step)
        losses.append(dict(one.step(batch(seed=step))))
    return losses, {name: value.cpu() for name, value in one.method.networks.state_dict().items()}


def distance(ours: dict[str, Tensor], theirs: dict[str, Tensor]) -> float:
    """The largest difference of two weights."""
    assert ours.keys() == theirs.keys()
    return max((ours[name].double() - theirs[name].double()).abs().max().item() for name in ours)


def same_as_plain(make: Callable[..., Stepper], record_property: Callable) -> None:
    """Recorded steps have the bits of plain ones, where plain ones have the same in every run; what torch has no such
    algorithm for (the backward of reflection padding) may make them differ as much as two plain runs do."""
    plain, recorded = play(make(recorded=False)), play(make(recorded=True))
    again = play(make(recorded=False)) if DEVICE.type == "cuda" else plain
    noise, off = distance(again[1], plain[1]), distance(recorded[1], plain[1])
    record_property("largest_difference", off)
    record_property("of_two_plain_runs", noise)
    if again[0] == plain[0] and noise == 0:
        assert recorded[0] == plain[0] and off == 0
    else:
        assert recorded[0] == [pytest.approx(step, rel=1e-2, abs=1e-4) for step in plain[0]] and off <= 10 * noise


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("name", TRAININGS)
def test_recorded_steps_are_plain_ones(name: str, precision: str, record_property: Callable) -> None:
    same_as_plain(partial(stepper, name, precision), record_property)


@pytest.mark.parametrize("augment", [DiffAugment, partial(ADA, probability=0.5)], ids=["diffaugment", "ada"])
def test_recorded_steps_with_augments_are_plain_ones(augment: Callable, record_property: Callable) -> None:
    same_as_plain(lambda recorded: stepper("cyclegan", recorded=recorded, augments=[augment()]), record_property)


@pytest.mark.parametrize("name", TRAININGS)
def test_a_step_is_that_of_a_cpu(name: str, record_property: Callable) -> None:
    """Without chance, which is another on each device: dropout and styles are left out."""
    if name in ("dropout", "paired", "munit"):
        pytest.skip("it draws on the device")
    here, there = (play(stepper(name, device=device), 1) for device in (DEVICE, torch.device("cpu")))
    record_property("largest_difference", distance(here[1], there[1]))
    assert here[0][0] == pytest.approx(there[0][0], rel=1e-3, abs=1e-4)
    assert distance(here[1], there[1]) < 1e-3


@pytest.mark.slow
@pytest.mark.parametrize("name", ["cyclegan", "ugatit"])
def test_compiled_steps_are_plain_ones(name: str, record_property: Callable, monkeypatch: pytest.MonkeyPatch) -> None:
    if DEVICE.type == "cpu":  # where it shows that this test runs: a compiler of C++ takes minutes for either method
        if name != "cyclegan":
            pytest.skip("on a CPU one small method is compiled")
        monkeypatch.setitem(TRAININGS, name, (BARE, {"adversarial": "lsgan", "l1": "l1"}))
    plain, compiled = (play(stepper(name, speed=Speed(compile=way)), 2) for way in (False, True))
    record_property("largest_difference", distance(compiled[1], plain[1]))
    for ours, theirs in zip(compiled[0], plain[0], strict=True):
        assert ours == pytest.approx(theirs, rel=1e-3, abs=1e-4)
    assert distance(compiled[1], plain[1]) < 1e-3


@pytest.mark.parametrize("precision", PRECISIONS)
@pytest.mark.parametrize("cuda_graph", [False, True], ids=["plain", "recorded"])
def test_a_resumed_run_ends_with_the_same_bytes(
    cuda_graph: bool, precision: str, kill_after: Callable[[int], None], tmp_path: Path
) -> None:
    """Recordings are made anew after a resume, by plain steps: these, and replayed ones, have to have the same bits."""
    options = {"device": DEVICE.type, "deterministic": True, "precision": precision, "ema": 0.9}
    options |= {"cuda_graph": cuda_graph and DEVICE.type == "cuda"}
    chosen = recipe(NOISY, save_every=5, steps=10, **options)
    for name in ("alone", "again") if DEVICE.type == "cuda" else ("alone",):
        gankit.train(chosen, tmp_path / name)
    if DEVICE.type == "cuda" and digests(tmp_path / "again") != digests(tmp_path / "alone"):
        pytest.skip("two runs that nothing stopped have other bits here: torch has no algorithm that gives the same")
    kill_after(5)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")


def test_the_average_is_that_of_a_cpu() -> None:
    one = stepper("cyclegan", ema=0.9)
    expected: dict[str, Tensor] = {}
    for step in range(3):
        one.step(batch(seed=step))
        now = {name: value.detach().cpu().double() for name, value in one.players.state_dict().items()}
        expected = {k: 0.9 * expected[k] + 0.1 * v for k, v in now.items()} if expected else now
    average = one.average()
    assert average is not None
    for name, value in expected.items():
        torch.testing.assert_close(average[name].cpu().double(), value, rtol=1e-5, atol=1e-6, msg=name)


def test_the_average_does_not_wait_for_the_device() -> None:
    one = stepper("cyclegan", ema=0.9)
    one.step(batch())
    if DEVICE.type == "cuda":
        torch.cuda.set_sync_debug_mode("error")
    try:
        assert one.ema is not None
        one.ema.update(one.players)
    finally:
        if DEVICE.type == "cuda":
            torch.cuda.set_sync_debug_mode("default")


def test_fp16_scales_its_losses_and_passes_over_overflows() -> None:
    one = stepper("cyclegan", "fp16", optimizer=partial(Adam, lr=1e-3))
    before = {name: value.cpu().clone() for name, value in one.method.networks.state_dict().items()}
    play(one, 4)
    scale = one.scaler.get_scale()
    assert one.scaler.is_enabled() and 1 <= scale <= 2.0**16
    after = {name: value.cpu() for name, value in one.method.networks.state_dict().items()}
    assert distance(after, before) > 0 and all(value.isfinite().all() for value in after.values())
    again = stepper("cyclegan", "fp16", optimizer=partial(Adam, lr=1e-3))
    again.load_state_dict(one.state_dict())
    assert again.scaler.get_scale() == scale


# -- processes ---------------------------------------------------------------------------------------------------------
@pytest.fixture
def group(tmp_path: Path) -> Iterator[Any]:
    """A group of this process alone, whose messages travel as those of several: by NCCL on a GPU."""
    store = dist.FileStore(str(tmp_path / "store"), 1)
    backend = "nccl" if DEVICE.type == "cuda" else "gloo"
    if not dist.is_backend_available(backend):
        pytest.skip(f"torch has no {backend} here")
    dist.init_process_group(backend, store=store, rank=0, world_size=1)
    yield dist.new_group(backend="gloo") if backend == "nccl" else None
    dist.destroy_process_group()


def test_all_messages_of_a_training_travel_by_the_group(group: Any) -> None:
    """With a world of two, so that nothing is left out; the one process says its share alone."""
    devices = Devices(Devices.choose(DEVICE.type), world=2, host=group)
    one, two = torch.ones(3, device=DEVICE), torch.ones(2, device=DEVICE, dtype=torch.float16)
    devices.average([one, two])
    assert one.tolist() == [0.5] * 3 and two.tolist() == [0.5] * 2
    devices.add([one])
    assert one.tolist() == [0.5] * 3  # of the one process
    devices.broadcast([one])
    assert devices.any(True) and not devices.any(False)
    assert devices.from_main(lambda: {"a": 1}) == {"a": 1}


@pytest.mark.parametrize("name", ["cyclegan", "ugatit", "munit"])
def test_steps_of_several_processes_send_what_the_group_takes(name: str, group: Any) -> None:
    torch.manual_seed(0)
    method, losses = TRAININGS[name]
    parts = assemble(recipe(method, losses))
    devices = Devices(Devices.choose(DEVICE.type), world=2, host=group)
    one = Stepper(parts.method, parts.terms, devices=devices, augments=[ADA()], clip_norm=1.0, watch=["gradients"])
    for step in range(2):
        assert all(value == value for value in one.step(batch(seed=step)).values())


def test_losses_that_are_not_looked_at_are_checked_a_step_later() -> None:
    one = stepper("cyclegan")
    broken = {field: torch.full_like(x, float("nan")) for field, x in batch().items()}
    steps = itertools.count()
    with pytest.raises(gankit.TrainingError, match=r"step 1: the loss .* became nan"):
        while next(steps) < 2:
            one.step(broken)
