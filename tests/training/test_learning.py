"""Losses with parameters of their own are trained; frozen parts of networks are left as they are."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gankit
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, RecipeError, TrainingError
from gankit.features import own_state, settled
from gankit.fields import Picture
from gankit.init import initialize
from gankit.inspect.summary import summarize
from gankit.methods.plan import Term
from gankit.optimizers.gradient import SGD
from gankit.training import checkpoint, compiled
from gankit.training.assemble import assemble, make_stepper
from gankit.training.devices import Devices
from gankit.training.graphs import WARM_UP
from gankit.training.pictures import Batch
from gankit.training.run import Run
from gankit.training.speed import Speed
from gankit.training.step import Stepper
from tests.training import learning
from tests.training.conftest import Killed
from tests.training.learning import CriticsMargin, Margin, Projected, Steered, Tempered, random
from tests.training.test_distributed import launch
from tests.training.test_graphs import play, recorded
from tests.training.test_step import batch, stepper
from tests.training.tiny import AGIT, CYCLE, CYCLEGAN, digests, recipe

LEARNED = {"adversarial": "lsgan", "cycle": {"type": "tempered", "weight": 10}}
BOTH = {"adversarial": "critics_margin", "cycle": {"type": "cycle", "weight": 10}}
SEEING = CYCLEGAN | {"generator": "steered", "discriminator": "projected"}


@pytest.fixture(autouse=True)
def names() -> Iterator[None]:
    learning.register()
    yield
    catalogue.cache_clear()


def state_of(run: Path, step: int | None = None) -> dict[str, Any]:
    path = Run(run).latest() if step is None else Run(run).checkpoints / f"step_{step:08d}"
    assert path is not None
    return dict(checkpoint.load(path).state["stepper"])


def equal(ours: Any, theirs: Any) -> bool:
    if isinstance(ours, Tensor):
        return torch.equal(ours, theirs)
    if isinstance(ours, dict):
        return ours.keys() == theirs.keys() and all(equal(v, theirs[k]) for k, v in ours.items())
    if isinstance(ours, list | tuple):
        return len(ours) == len(theirs) and all(map(equal, ours, theirs))
    return ours == theirs


# -- losses that learn -------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    "options",
    [
        {"losses": LEARNED},
        {"losses": BOTH},
        {"losses": {"cycle": {"type": "tempered", "weight": 0.01}}, "precision": "fp16", "ema": 0.9},
        {"losses": LEARNED, "accumulate": 2, "batch_size": 1, "clip_norm": 0.1, "optimizer": {"type": "tf_adam"}},
        {"losses": LEARNED, "optimizer": {"type": "lbfgs", "max_iter": 2}},
        {"method": SEEING, "losses": CYCLE, "ema": 0.9},
        {"method": SEEING, "losses": CYCLE, "channels_last": True, "checkpoint_activations": True},
    ],
    ids=[
        "learns",
        "on one of two sides",
        "scaled",
        "accumulated, clipped",
        "lbfgs",
        "frozen parts",
        "frozen, laid out",
    ],
)
def test_a_resumed_training_ends_with_the_same_bits(
    options: dict[str, Any], kill_after: Callable[[int], None], tmp_path: Path
) -> None:
    chosen = recipe(**options, steps=4, save_every=2)
    gankit.train(chosen, tmp_path / "alone")
    kill_after(2)
    with pytest.raises(Killed):
        gankit.train(chosen, tmp_path / "killed")
    gankit.train(chosen, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")
    assert equal(state_of(tmp_path / "killed"), state_of(tmp_path / "alone"))
    if options["losses"] is not CYCLE:
        before, after = (state_of(tmp_path / "alone", step)["losses"] for step in (2, 4))
        assert not equal(before, after)


@pytest.mark.parametrize(
    ("losses", "name", "turn"),
    [({"cycle": Tempered()}, "cycle", "generator"), ({"gan": CriticsMargin()}, "gan", "discriminator")],
)
def test_a_loss_is_trained_by_its_turn_alone(losses: dict[str, nn.Module], name: str, turn: str) -> None:
    one = Stepper(stepper().method, losses, pool_size=0, devices=Devices(torch.device("cpu")), clip_norm=1.0)
    own = list(losses[name].parameters())
    for module in one.turns:
        held = {id(p) for group in one.optimizers[module.turn.name].param_groups for p in group["params"]}
        assert all((id(p) in held) == (module.turn.name == turn) for p in own)
        with one.passes.learning(module) as parameters:
            assert all(p.requires_grad == (module.turn.name == turn) for p in own)
            assert {id(p) for p in own} <= {id(p) for p in parameters} or module.turn.name != turn
    before = copy.deepcopy(losses[name].state_dict())
    one.step(batch())
    assert all(p.requires_grad for p in own)
    assert not equal(before, losses[name].state_dict())


def test_the_gradient_of_a_loss_is_that_of_its_formula() -> None:
    loss, other = Tempered(), Tempered()
    other.load_state_dict(loss.state_dict())
    one = Stepper(
        stepper().method,
        {"cycle": Term(loss, weight=3)},
        optimizer=partial(SGD, lr=1.0),
        devices=Devices(torch.device("cpu")),
    )
    method = copy.deepcopy(one.method)
    pictures = batch()
    total = torch.zeros(())
    for way, back, field in (("a2b", "b2a", "a"), ("b2a", "a2b", "b")):
        there = method.network("generator", way)(pictures[field])
        total = total + 3 * other(method.network("generator", back)(there), pictures[field])
    total.backward()
    before = copy.deepcopy(loss.state_dict())
    one.step(pictures)
    for name, p in other.named_parameters():
        torch.testing.assert_close(before[name] - loss.state_dict()[name], p.grad, rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize(
    ("method", "losses", "words"),
    [
        (CYCLEGAN, {"gan": "margin"}, "turns generator and discriminator.*`turn`.*`learns_in`"),
        (CYCLEGAN, {"gan": "lost_margin"}, "learn on the side 'referee'"),
        (AGIT | {"alternate": True}, LEARNED, "turns generator_a2b and generator_b2a.*one turn of that side"),
    ],
)
def test_a_loss_that_several_turns_could_train_is_refused(method: dict, losses: dict, words: str) -> None:
    with pytest.raises(RecipeError, match=words) as error:
        assemble(recipe(method, losses))
    assert error.value.problems[0].path in ("losses.gan", "losses.cycle")


def test_the_recipe_may_keep_a_loss_to_one_turn() -> None:
    parts = assemble(recipe(losses=CYCLE | {"gan": {"type": "margin", "turn": "generator"}}))
    assert [turn.turn.name for turn in parts.turns if turn.learned] == ["generator"]


def test_a_loss_that_does_not_learn_may_play_on_both_sides() -> None:
    loss = Margin().requires_grad_(False)
    one = Stepper(stepper().method, {"gan": loss}, devices=Devices(torch.device("cpu")))
    one.step(batch())
    assert loss.margin.item() == 1 and not any(turn.learned for turn in one.turns)


def test_a_checkpoint_loads_without_its_loss(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    gankit.train(recipe(losses=LEARNED, steps=1), tmp_path / "run")

    def fail(*_: Any) -> None:
        raise AssertionError("built")

    monkeypatch.setattr(Tempered, "forward", fail)
    model = gankit.load(tmp_path / "run", device="cpu")
    assert not any("cycle" in key for key in model.method.state_dict())
    assert model.translate(batch()["a"]).shape == (2, 3, 16, 16)


def test_a_loss_that_is_not_finite_is_not_saved(tmp_path: Path) -> None:
    stored = checkpoint.Checkpoint({}, None, {"stepper": {"losses": {"cycle": {"log": torch.tensor(torch.nan)}}}}, {})
    stored.info |= {"step": 3, "epoch": 0, "recipe": {}}
    with pytest.raises(TrainingError, match=r"step 3: losses\.cycle\.log holds NaN"):
        checkpoint.save(tmp_path, stored)
    assert not list(tmp_path.iterdir())


def test_what_a_loss_costs_is_counted() -> None:
    method = stepper().method
    pictures = Batch({"a": Picture(3), "b": Picture(3)}, 1, (16, 16))
    plain, learned = (summarize(method, {"cycle": loss}, pictures).memory for loss in (Plain(), Tempered()))
    own = sum(p.nbytes for p in Tempered().parameters())
    assert learned.gradients - plain.gradients == own
    assert learned.weights - plain.weights == own + 4  # the buffer


class Plain(Tempered):
    def __init__(self) -> None:
        super().__init__()
        del self.log, self.mix, self.seen

    def forward(self, reconstruction: Tensor, source: Tensor) -> Tensor:
        return (reconstruction - source).abs().mean()


# -- what does not learn -------------------------------------------------------------------------------------------
def test_weights_that_do_not_learn_are_never_drawn_anew() -> None:
    network = nn.Sequential(nn.Conv2d(3, 3, 1), nn.Conv2d(3, 3, 1).requires_grad_(False), nn.BatchNorm2d(3))
    network[2].requires_grad_(False)
    half = nn.Conv2d(3, 3, 1)
    half.bias.requires_grad_(False)
    network.append(half)
    owned = nn.Sequential(nn.Conv2d(3, 3, 1))
    owned.keeps_weights = True  # it learns, and is no one else's to draw
    network.append(owned)
    before = {k: v.clone() for k, v in network.state_dict().items()}
    for kind in ("normal", "xavier", "kaiming", "orthogonal"):
        initialize(network, kind)
    drawn = {k for k, v in network.state_dict().items() if not torch.equal(v, before[k])}
    assert drawn == {"0.weight", "0.bias", "3.weight"}


def test_a_frozen_network_inside_a_critic_stays_what_it_is() -> None:
    made = assemble(recipe(SEEING, CYCLE))
    expected = random(("relu1",)).state_dict()
    for key in ("discriminator_a2b", "generator_b2a"):
        eyes = made.method.networks[key].eyes
        assert all(torch.equal(v, eyes.state_dict()[k]) for k, v in expected.items())
    judge = made.method.networks["discriminator_a2b"].judge[0]
    assert judge.weight.std() < 0.03  # N(0, 0.02), as ever


def test_frozen_parts_are_in_no_checkpoint_average_or_optimizer(tmp_path: Path) -> None:
    gankit.train(recipe(SEEING, CYCLE, steps=2, ema=0.5), tmp_path / "run")
    stored = checkpoint.load(Run(tmp_path / "run").latest() or tmp_path)
    assert stored.ema and not [key for key in [*stored.networks, *stored.ema] if ".eyes." in key]
    model = gankit.load(tmp_path / "run", device="cpu")
    expected = random(("relu1",)).state_dict()
    for network in model.method.networks.values():
        assert all(torch.equal(v, network.eyes.state_dict()[k]) for k, v in expected.items())
    assert torch.equal(model.method.networks["generator_a2b"].steer.weight, stored.ema["generator_a2b.steer.weight"])
    one = make_stepper(assemble(recipe(SEEING, CYCLE, ema=0.5)), Devices(torch.device("cpu")))
    frozen = {id(p) for part in settled(one.method).values() for p in part.parameters()}
    assert len(settled(one.method)) == 4
    assert not frozen & {id(p) for o in one.optimizers.values() for g in o.param_groups for p in g["params"]}
    assert one.ema is not None
    assert settled(one.ema.module) == settled(one.players)  # the very modules: nothing is averaged


def test_the_gradient_reaches_the_generator_through_the_frozen_part() -> None:
    one = stepper(SEEING, {"adversarial": "lsgan"})
    before = copy.deepcopy(one.method.networks["generator_a2b"].state_dict())
    one.step(batch())
    moved = {k for k, v in one.method.networks["generator_a2b"].state_dict().items() if not torch.equal(v, before[k])}
    assert "steer.weight" in moved and not any(key.startswith("eyes") for key in moved)


def test_another_run_may_begin_with_it(tmp_path: Path) -> None:
    gankit.train(recipe(SEEING, CYCLE, steps=1), tmp_path / "first")
    gankit.train(recipe(SEEING, CYCLE, steps=1, init_from=str(tmp_path / "first")), tmp_path / "second")
    assert digests(tmp_path / "first") != digests(tmp_path / "second")


def test_what_moves_or_learns_is_stored_although_it_keeps_its_weights() -> None:
    part = nn.Sequential(nn.Conv2d(1, 1, 1), nn.BatchNorm2d(1)).requires_grad_(False)
    part.keeps_weights = True
    network = nn.ModuleDict({"part": part})
    assert own_state(network.train()).keys() == network.state_dict().keys()  # its statistics move
    assert not own_state(network.eval())
    part[0].weight.requires_grad_(True)
    assert own_state(network).keys() == network.state_dict().keys()


def test_a_critic_that_does_not_learn_at_all_is_refused() -> None:
    method = stepper().method
    for direction in method.directions:
        method.network("discriminator", direction).requires_grad_(False)
    with pytest.raises(BuildError, match="the turn discriminator trains nothing"):
        Stepper(method, {"gan": CriticsMargin().requires_grad_(False)}, devices=Devices(torch.device("cpu")))


def test_two_processes_train_one_loss(tmp_path: Path) -> None:
    """As in test_distributed: half a batch each, SGD at a small rate."""
    options = {"losses": LEARNED, "steps": 2, "pool_size": 0, "optimizer": {"type": "sgd", "lr": 0.001}, "seed": 5}
    launch(recipe(batch_size=1, **options), "two", before=learning.register)
    gankit.train(recipe(batch_size=2, **options), tmp_path / "one")
    two, one = (state_of(tmp_path / name)["losses"]["cycle"] for name in ("two", "one"))
    assert {"log", "mix.weight", "mix.bias", "seen"} == one.keys()
    for name, value in one.items():
        torch.testing.assert_close(two[name], value, rtol=0, atol=1e-6, msg=name)


def test_the_parts_of_these_tests_are_used() -> None:
    assert Projected(3)(torch.rand(1, 3, 16, 16)).ndim == Steered(3, 3)(torch.rand(1, 3, 16, 16)).ndim == 4


@pytest.mark.parametrize("how", ["compiled", "recorded"])
def test_faster_steps_train_a_loss_alike(how: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "BACKEND", "aot_eager")

    def made(speed: Speed | None = None) -> tuple[Stepper, dict[str, nn.Module]]:
        torch.manual_seed(1)
        losses = {"cycle": Tempered(), "gan": CriticsMargin()}
        devices = Devices(torch.device("cpu"))
        return Stepper(stepper().method, losses, pool_size=0, devices=devices, speed=speed, clip_norm=1.0), losses

    (plain, ours), (one, theirs) = made(), made(Speed(compile=True) if how == "compiled" else None)
    if how == "recorded":
        recorder = recorded(one)
    assert play(one, WARM_UP + 2) == [pytest.approx(losses, rel=1e-4) for losses in play(plain, WARM_UP + 2)]
    assert how == "compiled" or recorder.recorded == 2
    for name, loss in ours.items():
        for key, value in loss.state_dict().items():
            torch.testing.assert_close(theirs[name].state_dict()[key], value, rtol=1e-4, atol=1e-6)
