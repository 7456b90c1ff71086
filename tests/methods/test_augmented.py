"""Augments stand between pictures and critics, of any method, and nowhere else."""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gankit
from gankit.augment.ada import ADA
from gankit.augment.base import Augment
from gankit.augment.diffaugment import DiffAugment
from gankit.core.catalogue import catalogue
from gankit.core.errors import RecipeError
from gankit.losses.adversarial import LSGAN
from gankit.losses.penalties import R1, GradientPenalty
from gankit.losses.reconstruction import Cycle
from gankit.methods.augmented import Augmented
from gankit.methods.base import Critic
from gankit.methods.plan import Term
from gankit.training import checkpoint, compiled
from gankit.training.assemble import assemble
from gankit.training.devices import Devices
from gankit.training.graphs import WARM_UP
from gankit.training.run import Run
from gankit.training.seeds import reseed
from gankit.training.speed import Speed
from gankit.training.step import Stepper
from tests.installed import Site, install  # noqa: F401
from tests.methods import small
from tests.training.conftest import Killed, kill_after  # noqa: F401
from tests.training.test_distributed import launch
from tests.training.test_graphs import Recorder, play, recorded
from tests.training.tiny import (
    AGIT,
    CRITIC,
    CYCLE,
    CYCLEGAN,
    FEW,
    MUNIT,
    PAIRED,
    STYLED,
    UGATIT,
    digests,
    lines,
    recipe,
)

CPU = torch.device("cpu")
DCGAN = {
    "type": "gan",
    "generator": {"type": "mlp", "image_size": 16, "hidden": [8]},
    "discriminator": CRITIC,
    "latent": 4,
}
HOLES = {
    "type": "inpainting",
    "generator": {"type": "resnet", "channels": 4, "blocks": 1},
    "discriminator": CRITIC,
}
COLUMN = HOLES | {"discriminator": {"type": "double_column", "channels": 4, "levels": 2}}
LARGER = {"type": "super_resolution", "factor": 2, "discriminator": CRITIC} | {
    "generator": {"type": "espcn", "channels": 4, "factor": 2}
}
PAIR = {"adversarial": "vanilla", "l1": "l1"}
METHODS: dict[str, tuple[dict, dict, dict]] = {
    "cyclegan": (CYCLEGAN, CYCLE | {"r1": "r1"}, {}),
    "agit": (AGIT, CYCLE, {}),
    "agit, second phase": (AGIT | {"whole_image_until_epoch": 0}, CYCLE, {}),
    "ugatit": (UGATIT, CYCLE | {"cam": "cam"}, {}),
    "paired": (PAIRED, PAIR | {"match": {"type": "feature_matching", "weight": 2}}, {}),
    "munit": (MUNIT, STYLED, {}),
    "gan": (DCGAN, {"adversarial": "vanilla"}, {}),
    "inpainting, hole as a channel": (HOLES, {"adversarial": "wgan", "penalty": "r1", "l1": "l1"}, {}),
    "inpainting, hole given": (COLUMN, {"adversarial": "hinge", "l1": "l1"}, {}),
    "super-resolution": (LARGER, {"adversarial": "lsgan", "l1": "l1"}, {}),
}


def chosen(name: str, *augments: Any, **train: Any) -> dict[str, Any]:
    method, losses, data = METHODS[name]
    return recipe(method, losses, data, augments=list(augments), **train)


class Marks(Augment):
    """Adds a number to pictures and another to masks, each drawn for each picture."""

    def __init__(self) -> None:
        super().__init__()
        self.draws = 0

    def draw(self, count: int, device: torch.device) -> dict[str, Tensor]:
        self.draws += 1
        return {"by": torch.rand(count, device=device) + 1}

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x + drawn["by"][:, None, None, None].to(x.dtype)

    def mask(self, x: Tensor, drawn: Any) -> Tensor:
        return x - 2 * drawn["by"][:, None, None, None].to(x.dtype)


@pytest.fixture(autouse=True)
def named() -> Iterator[None]:
    gankit.register("augment", "marks")(Marks)
    yield
    catalogue.cache_clear()


def made(name: str, *augments: Any, speed: Speed | None = None, **train: Any) -> tuple[Stepper, dict[str, Tensor]]:
    torch.manual_seed(0)
    parts = assemble(chosen(name, *augments, **train))
    parts.method.train()
    parts.method.set_epoch(0)
    items = [parts.dataset.item(i, torch.Generator().manual_seed(i)) for i in range(2)]
    batch = {field: torch.stack([item[field] for item in items]) for field in items[0]}
    batch["mask"] = (torch.rand(2, 1, 16, 16, generator=torch.Generator().manual_seed(3)) > 0.7).float()
    options = {"pool_size": 1, "devices": Devices(CPU), "speed": speed, "augments": parts.augments}
    return Stepper(parts.method, parts.terms, **options), batch  # pyright: ignore[reportArgumentType]


def tapped(one: Stepper) -> dict[str, list[tuple[Any, ...]]]:
    """What each network is called with, from now on."""
    calls: dict[str, list[tuple[Any, ...]]] = {}
    for key, network in one.method.networks.items():
        network.register_forward_pre_hook(
            lambda _, args, kwargs, key=key: calls.setdefault(key, []).append((*args, *kwargs.values())),
            with_kwargs=True,
        )
    return calls


# -- all methods -------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("augment", ["diffaugment", {"type": "ada", "probability": 1.0}], ids=str)
@pytest.mark.parametrize("name", METHODS)
def test_every_method_steps_with_it(name: str, augment: Any) -> None:
    one, batch = made(name, augment)
    before = copy.deepcopy(one.method.networks.state_dict())
    for step in range(2):
        reseed(0, 0, step)
        losses = dict(one.step(batch))
    assert losses and all(value == value for value in losses.values())
    moved = {
        key.split("_")[0] for key, v in one.method.networks.state_dict().items() if not torch.equal(v, before[key])
    }
    assert {"generator", "discriminator"} <= moved


@pytest.mark.parametrize("name", METHODS)
def test_critics_see_it_for_real_and_fake_and_makers_never(name: str) -> None:
    plain, batch = made(name)
    one, _ = made(name, "marks")
    one.method.load_state_dict(plain.method.state_dict())
    for stepper in (plain, one):  # nothing learns: what differs is what is seen
        for optimizer in stepper.optimizers.values():
            for group in optimizer.param_groups:
                group["lr"] = 0.0
    seen, shown = tapped(plain), tapped(one)
    for stepper in (plain, one):
        reseed(0, 0, 0)
        stepper.step(batch)
    assert seen.keys() == shown.keys()
    for key in seen:
        for before, after in zip(seen[key], shown[key], strict=True):
            if not key.startswith("discriminator"):
                if name not in ("munit", "gan"):  # they draw, and so do the marks
                    assert all(torch.equal(x, y) for x, y in zip(before, after, strict=True))
                continue
            if name in ("munit", "gan"):
                continue
            by = (after[0] - before[0]).mean((2, 3))  # (N, C), one number a picture and channel
            torch.testing.assert_close(by[:, :, None, None].expand_as(before[0]), after[0] - before[0])
            masks = by.shape[1] - 3 if "hole as a channel" in name else 0
            pictures = by[:, : by.shape[1] - masks]
            assert (pictures > 1).all() and (pictures < 2).all()
            torch.testing.assert_close(pictures, pictures[:, :1].expand_as(pictures))
            torch.testing.assert_close(by[:, by.shape[1] - masks :], -2 * pictures[:, :masks])
            for condition, moved in zip(before[1:], after[1:], strict=True):  # the hole beside it
                torch.testing.assert_close((moved - condition).mean((1, 2, 3)), -2 * pictures[:, 0])


def test_all_calls_of_one_forward_get_the_same_transform() -> None:
    one, batch = made("paired", "marks")
    calls = tapped(one)
    one.step(batch)
    marks: Any = one.augments[0]
    assert marks.draws == 2  # one for each turn
    fake, real = calls["discriminator_a2b"][:2]
    torch.testing.assert_close(fake[0][:, :3], real[0][:, :3])  # the source beside either


def test_a_loss_moves_masks_as_a_critics_pictures_are_moved() -> None:
    picture = torch.rand(3, 3, 8, 8) + 1
    mask = (picture[:, :1] > 1.5).float()
    for critic in (nn.Identity(), Augmented(nn.Identity(), [DiffAugment(["translation"])])):
        seen = Critic(critic, lambda x: x)  # type: ignore[arg-type]
        moved = seen(picture)
        assert isinstance(moved, Tensor) and torch.equal(seen.mask(mask), (moved[:, :1] > 1.5).float())


def test_the_gradient_reaches_the_generator_through_it() -> None:
    torch.manual_seed(0)
    method, batch = small.cyclegan(), small.batch()
    augment = DiffAugment(transforms=["cutout"], cutout=1.0)  # the whole picture, where the square lies inside
    augment.draw = lambda count, device: {name: torch.full((count,), 0.5) for name in ("row", "column")}  # type: ignore[method-assign]
    one = Stepper(method, {"gan": LSGAN()}, pool_size=0, devices=Devices(CPU), augments=[augment])
    before = copy.deepcopy(method.state_dict())
    one.step(batch)
    moved = {key for key, value in method.state_dict().items() if not torch.equal(value, before[key])}
    assert not any("generator" in key for key in moved)  # nothing to be seen, nothing to learn
    other = Stepper(method, {"gan": LSGAN()}, pool_size=0, devices=Devices(CPU), augments=[DiffAugment()])
    other.step(batch)
    assert any("generator" in key and not torch.equal(value, before[key]) for key, value in method.state_dict().items())


def test_a_penalty_differentiates_the_critic_through_it() -> None:
    class Doubled(Marks):
        def picture(self, x: Tensor, drawn: Any) -> Tensor:
            return 2 * x

    network, target = small.cyclegan().network("discriminator", "a2b"), small.batch()["b"]
    value = R1()(Augmented(network, [Doubled()]), target)
    leaf = target.clone().requires_grad_()
    (gradient,) = torch.autograd.grad(network(2 * leaf).sum(), leaf)
    torch.testing.assert_close(value, 0.5 * gradient.flatten(1).square().sum(1).mean())
    value.backward()
    assert all(p.grad is not None for name, p in network.named_parameters() if name.endswith("weight"))


@pytest.mark.parametrize("penalty", [R1(), GradientPenalty()], ids=["r1", "gradient_penalty"])
@pytest.mark.parametrize("augment", [DiffAugment(), ADA(probability=1.0)], ids=["diffaugment", "ada"])
def test_penalties_with_the_augments_that_ship(augment: Augment, penalty: nn.Module) -> None:
    terms = {"gan": LSGAN(), "cycle": Cycle(), "penalty": Term(penalty, 0.1)}
    one = Stepper(small.cyclegan(), terms, pool_size=0, devices=Devices(CPU), augments=[augment])
    assert dict(one.step(small.batch()))["discriminator/penalty/a2b"] > 0


# -- nowhere else ------------------------------------------------------------------------------------------------------
def test_a_translation_never_meets_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gankit.api, "_finish", lambda run, device: None)
    gankit.train(chosen("paired", "diffaugment", steps=1), tmp_path / "run")

    def fail(*_: Any) -> None:
        raise AssertionError("an augment was called")

    for name in ("draw", "picture", "mask"):
        monkeypatch.setattr(DiffAugment, name, fail)
    model = gankit.load(tmp_path / "run", device="cpu")
    assert model.translate(torch.zeros(3, 16, 16)).shape == (3, 16, 16)
    pictures = torch.zeros(1, 3, 16, 16)
    assert model.method.tensors_of({"a": pictures, "b": pictures}, "a2b", ("fake_logits",)) is not None


@pytest.mark.parametrize(
    ("method", "losses", "augments", "words"),
    [
        ({"type": "cyclegan"}, {"cycle": "cycle"}, ["diffaugment"], "no critic plays here"),
        (HOLES | {"discriminator": None}, {"l1": "l1"}, ["diffaugment"], "no critic plays here"),
        (CYCLEGAN, {"cycle": "cycle", "r1": "r1"}, ["diffaugment", "ada"], "it watches real_logits, which no loss"),
        (CYCLEGAN, CYCLE, ["diffaugment", {"type": "ada", "every": 0}], "every"),
        (CYCLEGAN, CYCLE, ["diffaugmentt"], "did you mean 'diffaugment'"),
    ],
)
def test_what_cannot_be_is_refused_at_its_place(method: dict, losses: dict, augments: list[Any], words: str) -> None:
    with pytest.raises(RecipeError, match=words) as error:
        assemble(recipe(method, losses, augments=augments))
    assert error.value.problems[0].path.startswith(f"train.augments.{len(augments) - 1}")


def test_one_that_learns_is_refused() -> None:
    class Learns(Marks):
        """Has a parameter."""

        def __init__(self) -> None:
            super().__init__()
            self.by = nn.Parameter(torch.ones(()))

    gankit.register("augment", "learns")(Learns)
    with pytest.raises(RecipeError, match="parameters that learn, and no turn trains an augment"):
        assemble(recipe(augments=["learns"]))


# -- exact and fast ----------------------------------------------------------------------------------------------------
ADAPTIVE = {"type": "ada", "probability": 0.3, "undecided": 0.5, "thousands": 0.05, "every": 2}


@pytest.mark.parametrize(
    ("name", "augments"),
    [("cyclegan", ["diffaugment", ADAPTIVE]), ("ugatit", [ADAPTIVE]), ("paired", [ADAPTIVE | {"undecided": 0}])],
    ids=["both", "of several heads", "conditional"],
)
def test_a_resumed_training_ends_with_the_same_bits(
    name: str,
    augments: list[Any],
    kill_after: Callable[[int], None],  # noqa: F811
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gankit.api, "_finish", lambda run, device: None)
    options = chosen(name, *augments, save_every=3, log_every=1)
    gankit.train(options, tmp_path / "alone")
    kill_after(3)
    with pytest.raises(Killed):
        gankit.train(options, tmp_path / "killed")
    gankit.train(options, tmp_path / "killed", resume=True)
    assert digests(tmp_path / "killed") == digests(tmp_path / "alone")
    ours, theirs = (state_of(tmp_path / run)[-1] for run in ("killed", "alone"))
    assert all(torch.equal(value, theirs[key]) for key, value in ours.items()) and set(ours) == {
        "p", "signs", "seen", "sign"
    }  # fmt: skip
    place = len(augments) - 1
    told = [line["augments"][f"{place}.p"] for line in lines(tmp_path / "alone")]
    assert told[0] == pytest.approx(0.3) and len(set(told)) > 1 and told[-1] == pytest.approx(float(theirs["p"]))
    assert [line["augments"] for line in lines(tmp_path / "killed")] == [
        line["augments"] for line in lines(tmp_path / "alone")
    ]


def state_of(run: Path) -> list[dict[str, Tensor]]:
    path = Run(run).latest()
    assert path is not None
    return checkpoint.load(path).state["stepper"]["augments"]


def test_two_processes_share_one_probability(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    launch(chosen("cyclegan", ADAPTIVE, batch_size=1, steps=2), "two")
    (state,) = state_of(tmp_path / "two")
    by = (float(state["p"]) - 0.3) * 0.05 * 1000
    assert abs(by) == pytest.approx(2 * 2 * 2, rel=1e-3)  # steps, processes, critics: a picture each


@pytest.mark.parametrize("name", ["cyclegan", "paired"])
def test_compiled_turns_are_those_of_plain_torch(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Traced whole; the backend runs what was traced as it is."""
    graphs: list[Any] = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(inputs)
        return graph.forward

    monkeypatch.setattr(compiled, "BACKEND", backend)
    torch.compiler.reset()
    augments = ["diffaugment", {"type": "ada", "probability": 0.7, "every": 1}]
    for method, of in {"cyclegan": (CYCLEGAN, CYCLE), "paired": (PAIRED, METHODS["paired"][1])}.items():
        monkeypatch.setitem(METHODS, method, (of[0] | {"generator": FEW}, of[1], {}))
    plain, batch = made(name, *augments)
    one, _ = made(name, *augments, speed=Speed(compile=True))
    for step in range(2):
        results = []
        for stepper in (plain, one):
            reseed(0, 0, step)
            results.append(dict(stepper.step(batch)))
        assert results[1] == pytest.approx(results[0], rel=1e-4)
    assert all(getattr(turn, "compiled", None) is not None for turn in one.passes.forward.values())
    assert graphs and torch.equal(plain.augments[1].p, one.augments[1].p)  # type: ignore[arg-type]


def test_recorded_steps_are_those_of_plain_torch(monkeypatch: pytest.MonkeyPatch) -> None:
    augments = ["diffaugment", {"type": "ada", "probability": 0.7, "every": 2}]
    monkeypatch.setitem(METHODS, "cyclegan", (CYCLEGAN, CYCLE, {}))
    plain, batch = made("cyclegan", *augments)
    one, _ = made("cyclegan", *augments)
    recorder = recorded(one)
    recorder.also = list(one.augments[1].buffers())
    ours, theirs = (play(stepper, WARM_UP + 3, lambda step: batch) for stepper in (one, plain))
    assert ours == theirs
    assert isinstance(recorder, Recorder) and recorder.recorded == 2
    assert all(torch.equal(a, b) for a, b in zip(one.augments[1].buffers(), plain.augments[1].buffers(), strict=True))


@pytest.mark.parametrize("speed", [Speed(join_calls=True), Speed(checkpoint_activations=True)], ids=["joined", "again"])
def test_other_options_of_speed_change_nothing(speed: Speed) -> None:
    identity = CYCLE | {"identity": "identity"}
    METHODS["identity"] = (CYCLEGAN, identity, {})
    plain, batch = made("identity", "diffaugment")
    one, _ = made("identity", "diffaugment", speed=speed)
    calls = small.count_calls(one.method)
    batch = {field: tensor.double() for field, tensor in batch.items()}
    for stepper in (plain, one):  # in float64: Adam magnifies rounding where gradients are near 0
        stepper.method.double()
        reseed(0, 0, 0)
        last = dict(stepper.step(batch))
    reseed(0, 0, 0)
    del METHODS["identity"]
    assert last and calls["discriminator_a2b"] >= 3  # critics are called one picture after the other
    for key, value in plain.method.state_dict().items():
        torch.testing.assert_close(one.method.state_dict()[key], value, rtol=1e-7, atol=1e-9)


# -- of a plugin -------------------------------------------------------------------------------------------------------
HOOKS = """
    from gankit import hookimpl

    @hookimpl
    def gankit_components(add):
        add("augment", "noise", "{module}.parts:Noise", "noise on all that critics see")
"""
PARTS = '''
    import torch
    from gankit.augment.base import Augment

    class Noise(Augment):
        """Uniform noise, which grows. (N, C, H, W) -> the same shape. gankit's tests."""

        def __init__(self, by: float = 0.1) -> None:
            super().__init__()
            self.register_buffer("size", torch.tensor(by))

        def draw(self, count, device):
            return {"seed": torch.rand(count, 1, 1, 1, device=device)}

        def picture(self, x, drawn):
            return x + self.size.to(x.dtype) * (drawn["seed"].to(x.dtype) * 2 - 1)

        def adjust(self, step, total):
            self.size.mul_(1.5)

        def numbers(self):
            return {"size": float(self.size)}
'''


def test_an_augment_of_a_plugin_by_its_name(install: Site, tmp_path: Path, monkeypatch) -> None:  # noqa: F811
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(gankit.api, "_finish", lambda run, device: None)
    install("pp-noise", HOOKS, files={"parts.py": PARTS})
    gankit.train(chosen("paired", {"type": "noise", "by": 0.5}, steps=2, log_every=1), tmp_path / "run")
    assert [line["augments"]["0.size"] for line in lines(tmp_path / "run")] == pytest.approx([0.75, 1.125])
    assert state_of(tmp_path / "run")[0]["size"] == pytest.approx(1.125)
    install.remove("pp-noise")
    assert gankit.load(tmp_path / "run", device="cpu").step == 2
