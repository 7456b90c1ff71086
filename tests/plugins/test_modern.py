"""gankit-modern: its method and recipes, and its wheel beside gankit's. test_modern_*.py hold its parts to papers."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import Tensor, nn

from gankit.core.recipe import Recipe
from gankit.discriminators import PatchDiscriminator
from gankit.generators import ResnetGenerator
from gankit.inspect.recipe import check_recipe
from gankit.losses import LSGAN, Cycle, Identity
from gankit.methods import Term
from gankit.optimizers import Adam
from gankit.testing import check_component
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.plugins import wheels
from tests.plugins.modern.formula import deviation, drawn, golden, probes, weights
from tests.plugins.modern.parts import RECIPES
from tests.plugins.modern.parts import modern as modern
from tests.plugins.wheels import check_imports, gankit

TINY = partial(ResnetGenerator, channels=2, blocks=1)
PATCH = partial(PatchDiscriminator, channels=2, layers=1, spectral_norm=True)
UVCGAN = "method.generator={type: uvcgan, channels: 2, width: 6, blocks: 1, hidden: 8}"
NARROW = ["method.generator.channels=2", "method.discriminator.channels=2"]
SMALL = {
    "uvcgan": [UVCGAN, "method.discriminator.channels=2"],
    "uvcgan-pretrain": [UVCGAN, "train.batch_size=1"],
    "cyclegan-modern": [UVCGAN, "method.discriminator.discriminator.channels=2"],
    "attentiongan": [*NARROW, "method.generator.blocks=1", "losses.area.weight=0.1"],
    "demo-cyclegan-modern": NARROW,
}
ALL_ON = [
    *(f"losses.{name}.weight=0.01" for name in ("spectra", "structure", "mixed", "real_penalty", "fake_penalty")),
    "losses.consistency.weight=0.1",
]
SWITCHES = [
    ALL_ON,
    ["method.discriminator.type=unet_critic"],
    [
        "losses.cutmix.weight=1",
        "losses.cutmix.mixture=1",
        "method.discriminator={type: unet_critic, channels: 8, attention: [2]}",
    ],
    ["method.discriminator={type: minibatch_deviation, discriminator: {type: patch, channels: 2}}"],
    ["method={type: uvcgan2, discriminator: {type: batch_head, discriminator: {type: patch, channels: 2}}}"],
    ["method.generator={type: uvcgan, channels: 2, downs: 3, norm: none, width: 6, heads: 2, blocks: 1}"],
    ["method.generator={type: nafnet, channels: 2, encoder: [1, 1, 2], middle: 1, decoder: [1, 1, 1]}"],
]


def batch(seed: int = 0) -> dict[str, Tensor]:
    return {field: drawn(f"{field}{seed}", 1, 3, 16, 16) for field in "ab"}


def stepper(terms: dict[str, Any]) -> Stepper:
    from gankit_modern.batch_critics import BatchHead
    from gankit_modern.method import UVCGAN2

    torch.manual_seed(0)
    method = UVCGAN2(TINY, partial(BatchHead, discriminator=PATCH, memory=2))
    return Stepper(method, terms, pool_size=0, devices=Devices(torch.device("cpu")))


def terms() -> dict[str, nn.Module | Term]:
    from gankit_modern.penalties import MixedPenalty

    return {"adversarial": LSGAN(), "cycle": Term(Cycle(), 5), "penalty": Term(MixedPenalty(), 0.04)}


def test_critics_remember_what_they_saw_in_their_own_turn() -> None:
    play = stepper(terms())
    critic = play.method.network("discriminator", "a2b")
    names = {key.split("/")[1] for key in play.step(batch())}
    assert names == {"adversarial", "cycle", "penalty"}
    first = critic.past_real.clone()
    assert first.shape[0] == 2 and torch.equal(first[0], first[1])
    play.step(batch(1))
    assert torch.equal(critic.past_real[0], first[1]) and not torch.equal(critic.past_real[1], first[1])
    assert not torch.equal(critic.past_fake, critic.past_real)


def test_two_steps_are_the_papers(monkeypatch: pytest.MonkeyPatch) -> None:
    """With three earlier pictures in each memory. In double precision, as Adam makes of a rounding a step."""
    from gankit_modern.batch_critics import BatchHead
    from gankit_modern.method import UVCGAN2
    from gankit_modern.penalties import MixedPenalty
    from gankit_modern.uvcgan import UVCGANGenerator

    critic = partial(BatchHead, discriminator=partial(PatchDiscriminator, channels=4, layers=2))
    generator = partial(UVCGANGenerator, channels=4, downs=2, width=12, heads=3, blocks=1, hidden=20)
    method = UVCGAN2(generator, critic)
    with torch.no_grad():
        for name, parameter in method.networks.named_parameters():
            parameter.copy_(weights(name, parameter))
    method.double()
    for way, domain in (("a2b", "b"), ("b2a", "a")):
        network: Any = method.network("discriminator", way)
        for stream in ("real", "fake"):
            [features] = network.last(drawn(f"uvcgan2.past.{stream}.{domain}", 3, 3, 32, 32).double())
            network.remember(features.detach(), stream)
    before = {name: p.detach().clone() for name, p in method.networks.named_parameters()}
    terms = {"adversarial": LSGAN(), "cycle": Term(Cycle(), 5), "identity": Term(Identity(), 2.5)}
    adam = partial(Adam, lr=1e-3, betas=(0.5, 0.99))
    play = Stepper(method, terms | {"penalty": MixedPenalty()}, adam, pool_size=0, devices=Devices(torch.device("cpu")))
    theirs = golden("uvcgan2")
    alphas = iter(theirs.pop("alpha"))
    monkeypatch.setattr(torch, "rand", lambda *_, **__: next(alphas)[None])
    ours = {}
    for step in range(2):
        told = play.step({d: drawn(f"uvcgan2.{d}.{step}", 1, 3, 32, 32).double() for d in "ab"})
        for key, value in told.items():
            turn, term, way = key.split("/")
            ours[f"loss.{step}.{term}.{turn}.{way}"] = torch.tensor(value)
    for name, parameter in method.networks.named_parameters():
        if parameter.requires_grad:
            ours[f"change.{name}"] = probes(name, parameter.detach() - before[name])
    for name in [name for name, change in theirs.items() if change.abs().max() < 1e-6]:
        assert name.endswith("bias")  # in front of a norm
        assert ours.pop(name).abs().max() < 1e-6 and theirs.pop(name) is not None
    assert len(theirs) > 100 and deviation(ours, theirs) < 1e-5


def test_penalties_see_the_memory_from_before_the_step() -> None:
    from gankit_modern.batch_critics import BatchHead
    from gankit_modern.method import Remembering

    critic = BatchHead(3, discriminator=partial(PatchDiscriminator, channels=2, layers=1), memory=2)
    a, b, x = batch()["a"], batch()["b"], batch(1)["b"]
    assert Remembering(critic)(x).shape == critic(a, past="real").shape == critic(b, past="fake").shape
    seen, (real, fake) = Remembering(critic), critic.memories()
    critic(x, past="real")
    assert not torch.equal(critic.past_real, real)
    mixed = critic(x, past=0.25 * real + 0.75 * fake)
    assert torch.equal(seen.between(0.25)(x), mixed) and not torch.equal(seen(x), mixed)
    assert torch.equal(critic.past_fake, fake)  # features that are given are not remembered


def test_a_memory_is_saved_and_loaded_with_its_critic() -> None:
    one, other = stepper(terms()), stepper(terms())
    one.step(batch())
    other.method.load_state_dict(one.method.state_dict())
    other.load_state_dict(copy.deepcopy(one.state_dict()))
    told = []
    for play in (one, other):
        torch.manual_seed(1)
        told.append(dict(play.step(batch(1))))
    assert told[0] == told[1]
    state = one.method.state_dict()
    assert all(torch.equal(value, state[key]) for key, value in other.method.state_dict().items())


def test_a_critic_without_memory_is_refused() -> None:
    from gankit_modern.method import UVCGAN2

    with pytest.raises(ValueError, match=r"PatchDiscriminator has no memory .* set `discriminator` to batch_head"):
        UVCGAN2(TINY, PATCH)


def test_the_method_keeps_its_contract() -> None:
    check_component("method", "gankit-modern/uvcgan2")


# -- recipes -----------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("name", SMALL)
def test_recipes_take_a_real_step(name: str, uninstalled: Callable[[str], Path]) -> None:
    more = [] if name.startswith("demo") else ["data={type: shapes, task: season, size: 32}"]
    played = check_recipe(Recipe.load(uninstalled(name), [*SMALL[name], *more]))
    terms = {"restored"} if name == "uvcgan-pretrain" else {"adversarial", "cycle", "identity"}
    assert terms <= {key.split("/")[1] for key in played[0].losses}


@pytest.mark.parametrize("switches", SWITCHES, ids=lambda s: s[0][:40])
def test_each_part_of_the_demo_can_be_switched_on(switches: list[str], uninstalled: Callable[[str], Path]) -> None:
    recipe = Recipe.load(uninstalled("demo-cyclegan-modern"), [*SMALL["demo-cyclegan-modern"], *switches])
    played = check_recipe(recipe)[0]
    if "cutmix" in switches[0]:
        assert {"discriminator/cutmix/a2b", "discriminator/cutmix/b2a"} <= set(played.losses)
    if switches is ALL_ON:
        assert {"spectra", "structure", "mixed", "consistency"} <= {key.split("/")[1] for key in played.losses}


# -- the package -------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.environment(tmp_path_factory.mktemp("wheels"), "gankit-modern")


def test_the_plugin_is_listed(environment: Path) -> None:
    [status] = json.loads(gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["version"], status["state"]) == ("gankit-modern", "0.1.0", "ok")
    assert set(status["recipes"]) == {path.stem for path in RECIPES.glob("*.yaml")}


def test_its_recipe_trains(environment: Path, tmp_path: Path) -> None:
    sets = ["train.steps=2", "train.save_every=2", "train.measure=null", "data.test=4", *SMALL["demo-cyclegan-modern"]]
    sets += ["losses.mixed.weight=0.04", "method.discriminator.type=unet_critic", "method.discriminator.downs=2"]
    options = [part for one in sets for part in ("--set", one)]
    gankit(environment, "train", "demo-cyclegan-modern", "--out", str(tmp_path / "run"), *options)
    assert (tmp_path / "run" / "recipe.yaml").is_file()


def test_what_the_plugin_imports() -> None:
    check_imports("gankit-modern")
