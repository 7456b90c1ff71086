"""gankit-cut: its loss, head and method, and its wheel beside gankit's. tests.golden holds it to the paper's code."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

import gankit as package
from gankit import api
from gankit.attention.cam import CAM
from gankit.core.errors import RecipeError
from gankit.core.recipe import Recipe
from gankit.discriminators.patch import PatchDiscriminator
from gankit.generators.resnet import ResnetGenerator
from gankit.generators.ugatit import UGATITGenerator
from gankit.generators.unet import UNetGenerator
from gankit.inspect.recipe import check_recipe
from gankit.losses.adversarial import LSGAN
from gankit.losses.cam import CAMLoss
from gankit.losses.penalties import R1, GradientPenalty
from gankit.losses.reconstruction import Identity
from gankit.methods.plan import Term
from gankit.methods.resolve import compute
from gankit.norms.adalin import AdaLIN
from gankit.testing import check_component
from gankit.training import checkpoint
from gankit.training.devices import Devices
from gankit.training.seeds import reseed
from gankit.training.step import Stepper
from tests.plugins import wheels
from tests.plugins.registered import registered
from tests.plugins.wheels import PLUGINS, check_imports, gankit

PLUGIN = PLUGINS / "gankit-cut"
RECIPES = PLUGIN / "gankit_cut" / "recipes"
TINY = partial(ResnetGenerator, channels=2, blocks=2, down="antialiased", up="antialiased")
CRITIC = partial(PatchDiscriminator, channels=2, layers=1, down="antialiased")


@pytest.fixture(autouse=True)
def cut(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plugin's modules, and its parts in the registry as if it were installed."""
    monkeypatch.syspath_prepend(PLUGIN)
    import gankit_cut.loss
    import gankit_cut.method
    import gankit_cut.sampler

    with registered(gankit_cut):
        yield gankit_cut


def unit(*shape: int, seed: int = 0) -> Tensor:
    return F.normalize(torch.randn(*shape, generator=torch.Generator().manual_seed(seed)), dim=-1)


# -- the loss --------------------------------------------------------------------------------------------------------
def test_the_loss_is_the_papers_formula(cut) -> None:
    query, key = unit(2, 5, 4), unit(2, 5, 4, seed=1)
    by_hand = []
    for n in range(2):
        for i in range(5):
            likeness = [math.exp((query[n, i] @ key[n, j]).item() / 0.07) for j in range(5)]
            by_hand.append(-math.log(likeness[i] / sum(likeness)))
    assert cut.loss.PatchNCE()(query, key).item() == pytest.approx(sum(by_hand) / 10, rel=1e-5)


def test_negatives_of_the_batch_are_those_of_one_large_picture(cut) -> None:
    query, key = unit(3, 5, 4), unit(3, 5, 4, seed=1)
    whole = cut.loss.PatchNCE()(query.view(1, 15, 4), key.view(1, 15, 4))
    torch.testing.assert_close(cut.loss.PatchNCE(negatives="batch")(query, key), whole)
    assert whole > cut.loss.PatchNCE()(query, key)


def test_each_patch_at_its_place_costs_least(cut) -> None:
    loss, key = cut.loss.PatchNCE(), unit(2, 8, 16)
    matched = loss(key, key)
    assert matched < 0.01
    for seed in range(5):
        order = torch.randperm(8, generator=torch.Generator().manual_seed(seed))
        assert loss(key[:, order], key) > matched + 1
        torch.testing.assert_close(loss(key[:, order], key[:, order]), matched)


def test_layers_count_alike_and_keys_learn_nothing(cut) -> None:
    loss = cut.loss.PatchNCE(temperature=0.2)
    layers = [(unit(1, 4, 3), unit(1, 4, 3, seed=1)), (unit(1, 9, 5), unit(1, 9, 5, seed=1))]
    queries, keys = (tuple(layer[i].requires_grad_() for layer in layers) for i in (0, 1))
    total = loss(queries, keys)
    torch.testing.assert_close(total, torch.stack([loss(q, k) for q, k in layers]).mean())
    total.backward()
    assert all(q.grad is not None and q.grad.any() for q in queries)
    assert all(k.grad is None for k in keys)


@pytest.mark.parametrize(("first", "second"), [((1, 4, 3), (1, 5, 3)), ((4, 3), (4, 3)), ((2, 4, 3), (1, 4, 3))])
def test_patches_that_do_not_match_are_refused(cut, first, second) -> None:
    with pytest.raises(ValueError, match="patches \\(N, P, C\\) of the same places"):
        cut.loss.PatchNCE()(torch.zeros(first), torch.zeros(second))
    with pytest.raises(ValueError, match="the same layers, not of 1 and 2"):
        cut.loss.PatchNCE()(torch.zeros(first), (torch.zeros(first), torch.zeros(first)))


# -- the head --------------------------------------------------------------------------------------------------------
def test_the_head_takes_the_vectors_at_the_places(cut) -> None:
    features, places = torch.randn(2, 3, 4, 5), torch.tensor([0, 7, 19])
    (plain,) = cut.sampler.PatchSampler([3], None)([features], [places])
    theirs = torch.stack([features[:, :, 0, 0], features[:, :, 1, 2], features[:, :, 3, 4]], 1)
    torch.testing.assert_close(plain, F.normalize(theirs, dim=-1), rtol=1e-4, atol=1e-5)
    (learned,) = cut.sampler.PatchSampler([3], 6)([features], [places])
    assert learned.shape == (2, 3, 6)
    torch.testing.assert_close(learned.norm(dim=-1), torch.ones(2, 3), rtol=1e-4, atol=1e-5)


def test_a_vector_of_zeros_has_no_gradient(cut) -> None:
    x = torch.randn(1, 3, 2, 2)
    x[..., 0, 1] = 0
    x.requires_grad_()
    (vectors,) = cut.sampler.PatchSampler([3], None)([x], [torch.arange(4)])
    (vectors**3).sum().backward()
    assert x.grad is not None and x.grad.isfinite().all()
    assert not x.grad[..., 0, 1].any() and x.grad[..., 1, 1].any()


def test_places_are_drawn_once_each(cut) -> None:
    torch.manual_seed(0)
    many, few = cut.sampler.draw_places([torch.zeros(2, 1, 6, 7), torch.zeros(2, 1, 2, 3)], 16)
    assert len(many) == 16 == len(set(many.tolist())) and max(many) < 42
    assert sorted(few.tolist()) == list(range(6))


# -- the method ------------------------------------------------------------------------------------------------------
def batch(size: int = 1, side: int = 16) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {field: torch.rand(size, 3, side, side, generator=generator) * 2 - 1 for field in "ab"}


def both(cut, weight: float = 0.5) -> dict[str, Term | nn.Module]:
    identity = {"query": "identity_query", "key": "identity_key"}
    nce = cut.loss.PatchNCE()
    return {"adversarial": LSGAN(), "nce": Term(nce, weight), "identity": Term(nce, weight, on=identity)}


def stepper(method: nn.Module, terms: dict[str, Any]) -> Stepper:
    return Stepper(method, terms, pool_size=0, devices=Devices(torch.device("cpu")))  # type: ignore[arg-type]


def test_a_step_in_the_papers_order_learns_with_all_three_networks(cut) -> None:
    method = cut.method.CUT(TINY, CRITIC)
    assert method.layers == ["input", "down1.conv", "down2.conv", "block1", "block2"]
    before = {k: v.clone() for k, v in method.named_parameters()}
    play = stepper(method, both(cut))
    assert [turn.turn.name for turn in play.turns] == ["discriminator", "generator"]
    losses = play.step(batch(2))
    expected = {"discriminator/adversarial", "generator/adversarial", "generator/nce", "generator/identity"}
    assert set(losses) == {f"{name}/a2b" for name in expected}
    moved = {k.split(".")[1] for k, v in method.named_parameters() if not torch.equal(v, before[k])}
    assert moved == {"generator_a2b", "sampler_a2b", "discriminator_a2b"}


@pytest.mark.parametrize("flip", [False, True])
def test_the_gradient_is_the_derivative_with_the_keys_held(cut, flip: bool) -> None:
    """Of a batch of one too, where torch's own instance norm errs on what the paper's code does."""
    torch.manual_seed(0)
    method = cut.method.CUT(TINY, CRITIC, flip_equivariance=flip, embedding=4, patches=9, init="default").double()
    method.mirrored = lambda source: flip
    pictures = {k: v.double() for k, v in batch().items()}
    parameter = method.network("generator", "a2b").down[1].conv.weight  # type: ignore[index, union-attr]
    names = ("key", "places")
    fixed = {name: tuple(x.detach() for x in value) for name, value in compute(method, "a2b", pictures, names).items()}

    def loss() -> Tensor:
        return cut.loss.PatchNCE()(compute(method, "a2b", pictures, ["query"], fixed)["query"], fixed["key"])

    (gradient,) = torch.autograd.grad(loss(), [parameter])
    direction = torch.randn_like(parameter)
    with torch.no_grad():
        parameter += 1e-6 * direction
        ahead = loss()
        parameter -= 2e-6 * direction
        behind = loss()
    assert ((ahead - behind) / 2e-6).item() == pytest.approx((gradient * direction).sum().item(), rel=1e-4)


def test_a_mirrored_step(cut) -> None:
    method = cut.method.CUT(TINY, CRITIC, flip_equivariance=True)
    pictures = batch()
    generator: Any = method.network("generator", "a2b")
    method.mirrored = lambda source: True
    names = ["judged", "output", "identity", "fake_logits", "places", "query"]
    found = compute(method, "a2b", pictures, names)
    fake = generator(pictures["a"].flip(3))
    torch.testing.assert_close(found["judged"], fake)
    torch.testing.assert_close(found["output"], fake.flip(3))
    torch.testing.assert_close(found["identity"], generator(pictures["b"].flip(3)).flip(3))
    torch.testing.assert_close(found["fake_logits"], method.network("discriminator", "a2b")(fake))
    sampled = method.network("sampler", "a2b")(
        [feature.flip(3) for feature in generator.features(fake, method.layers)], found["places"]
    )
    torch.testing.assert_close(found["query"], sampled)


def test_the_coin_is_tossed_in_training_alone(cut) -> None:
    torch.manual_seed(0)
    method, source = cut.method.CUT(TINY, CRITIC, flip_equivariance=True), batch()["a"]
    tosses = [method.mirrored(source) for _ in range(200)]
    assert 70 < sum(tosses) < 130
    plain = cut.method.CUT(TINY, CRITIC)
    assert not any(plain.mirrored(source) for _ in range(20))
    method.eval()
    assert not any(method.mirrored(source) for _ in range(20))
    torch.testing.assert_close(method.translate(source), method.network("generator", "a2b")(source))


def test_places_and_coin_are_drawn_once_in_a_step_and_follow_the_seed(cut) -> None:
    method = cut.method.CUT(TINY, CRITIC, patches=4, flip_equivariance=True)
    drawn: dict[str, list] = {"mirrored": [], "places": [], "identity_places": []}
    for name, calls in drawn.items():
        function = getattr(method, name)

        def spy(*args: Any, function=function, calls=calls) -> Any:
            calls.append(function(*args))
            return calls[-1]

        spy.__signature__ = __import__("inspect").signature(function)  # type: ignore[attr-defined]
        setattr(method, name, spy)
    play = stepper(method, both(cut))
    for seed in (1, 2, 1):
        reseed(seed)
        play.step(batch())
    assert all(len(calls) == 3 for calls in drawn.values())
    for name in ("places", "identity_places"):
        first, second, again = (torch.cat(places) for places in drawn[name])
        assert torch.equal(first, again) and not torch.equal(first, second)
    assert not torch.equal(torch.cat(drawn["places"][0]), torch.cat(drawn["identity_places"][0]))


def test_half_precision_reaches_the_generator(cut) -> None:
    method = cut.method.CUT(TINY, CRITIC)
    terms = {"nce": Term(cut.loss.PatchNCE())}
    losses, gradients = [], []
    for enabled in (False, True):
        torch.manual_seed(0)
        (turn,) = stepper(method, terms).turns
        with torch.autocast("cpu", torch.bfloat16, enabled=enabled):
            values, _ = turn(batch(), {})
        losses.append(values["generator/nce/a2b"])
        learned = [p for p in method.network("generator", "a2b").parameters() if p.requires_grad]
        gradients.append(torch.autograd.grad(losses[-1], learned[:3]))
    torch.testing.assert_close(losses[1], losses[0], rtol=0.1, atol=0.0)
    assert all(g.any() and g.isfinite().all() for g in gradients[1])


# -- with other parts ------------------------------------------------------------------------------------------------
@pytest.mark.parametrize(
    ("generator", "layers", "extra"),
    [
        (partial(TINY, attention=CAM, norm=AdaLIN), None, {"cam": CAMLoss()}),
        (partial(UGATITGenerator, channels=2, blocks=1), None, {"cam": CAMLoss()}),
        (partial(UNetGenerator, channels=2, downs=3), ["down1", "up2"], {}),
        (TINY, ["input"], {"r1": R1(), "gp": GradientPenalty(), "identity_l1": Identity()}),
    ],
    ids=["cam and adalin", "ugatit", "unet", "penalties"],
)
def test_other_generators_and_losses(cut, generator, layers, extra) -> None:
    method = cut.method.CUT(generator, CRITIC, layers=layers, flip_equivariance=True, embedding=8)
    play = stepper(method, both(cut) | extra)
    for _ in range(2):
        losses = play.step(batch(2))
    assert {key.split("/")[1] for key in losses} == {*both(cut), *extra}
    source = torch.rand(1, 3, 19, 22)
    assert method.eval().translate(source).shape == source.shape


def test_heads_may_be_left_out(cut) -> None:
    method = cut.method.CUT(TINY, CRITIC, embedding=None)
    assert not list(method.network("sampler", "a2b").parameters())
    stepper(method, both(cut)).step(batch())


def test_statistics_of_batch_norms_stay_when_a_method_is_built(cut) -> None:
    from gankit.norms.batch import BatchNorm

    method = cut.method.CUT(partial(TINY, norm=BatchNorm), CRITIC)
    counts = [v for k, v in method.named_buffers() if k.endswith("num_batches_tracked")]
    assert counts and not any(counts)


class Featureless(nn.Module):
    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"generator": Featureless}, "Featureless gives none: take one that does, such as resnet"),
        ({"layers": ["stem", "block7"]}, "no features called block7: choose `layers` among input, stem, down1.conv"),
        ({"layers": ["stem", "stem"]}, "names one twice"),
        ({"generator": partial(UNetGenerator, downs=3)}, "has not the paper's layers: choose `layers` among down1"),
        ({"channels_b": 1}, "must be equal"),
    ],
)
def test_what_does_not_fit_is_refused_in_words(cut, options, message) -> None:
    with pytest.raises(ValueError, match=message):
        cut.method.CUT(**{"generator": TINY, "discriminator": CRITIC} | options)


def test_a_recipe_is_told_the_place_of_the_fault() -> None:
    small = {"channels": 2, "blocks": 1}
    recipe = {"gankit": 1, "name": "x", "method": {"type": "cut", "generator": small, "layers": ["blok1"]}}
    recipe |= {"losses": {"p": "patchnce"}, "data": "shapes", "train": {"steps": 1}}
    with pytest.raises(RecipeError, match=r"method.*no features called blok1") as raised:
        package.build(recipe)
    assert "block1" in str(raised.value)


# -- conformance, recipes, resuming ------------------------------------------------------------------------------------
def test_conformance_of_the_method() -> None:
    check_component("method", "gankit-cut/cut")


def test_conformance_of_the_loss() -> None:
    check_component("loss", "gankit-cut/patchnce", inputs={"query": unit(2, 6, 8), "key": unit(2, 6, 8, seed=1)})


PICTURES = "{type: shapes, size: 16, train: 4, test: 2}"
SMALL = [
    *("method.generator.channels=2", "method.generator.blocks=2"),
    *("method.discriminator.channels=2", "method.discriminator.layers=1"),
    *("method.layers=[input, down1.conv, block2]", "method.patches=16", "method.embedding=8", f"data={PICTURES}"),
]


@pytest.mark.parametrize("name", ["cut", "fastcut"])
def test_the_recipes(uninstalled: Callable[[str], Path], name: str) -> None:
    lines = (RECIPES / f"{name}.yaml").read_text().splitlines()
    assert f"# Run:   gankit train {name} --set data.root=datasets/horse2zebra" in lines
    assert 'plugins: {gankit-cut: ">=0.1"}' in lines
    whole, fast = Recipe.load(uninstalled(name)), name == "fastcut"
    weights = {"patches": 10} if fast else {"patches": 0.5, "identity_patches": 0.5}
    assert {term: envelope.weight for term, envelope in whole.losses.items()} == {"adversarial": 1} | weights
    assert whole.method.flip_equivariance == fast
    assert (whole.train.epochs, whole.train.schedule.decay_from) == ((200, 0.75) if fast else (400, 0.5))
    (played,) = check_recipe(Recipe.load(uninstalled(name), SMALL))
    assert {key.split("/")[1] for key in played.losses} == set(whole.losses)


class Killed(BaseException):
    """Ends a training at once, as no handler would."""


def test_resuming_ends_with_the_same_bits(
    uninstalled: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_finish", lambda run, device: None)
    sets = [*SMALL, "train.epochs=null", "train.steps=4", "train.save_every=2", "train.ema=0.9"]
    recipe = Recipe.load(uninstalled("fastcut"), sets)
    whole = package.train(recipe, out=tmp_path / "whole", device="cpu").method.state_dict()
    save = checkpoint.save

    def save_and_die(*arguments: Any) -> None:
        save(*arguments)
        raise Killed

    with monkeypatch.context() as patch, pytest.raises(Killed):
        patch.setattr(checkpoint, "save", save_and_die)
        package.train(recipe, out=tmp_path / "parts", device="cpu")
    resumed = package.train(recipe, out=tmp_path / "parts", resume=True, device="cpu")
    assert resumed.step == 4
    for key, value in resumed.method.state_dict().items():
        assert torch.equal(value, whole[key]), key


# -- the package -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.environment(tmp_path_factory.mktemp("wheels"), "gankit-cut")


def test_the_plugin_is_listed(environment: Path) -> None:
    [status] = json.loads(gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["version"], status["state"]) == ("gankit-cut", "0.1.0", "ok")
    assert status["recipes"] == ["cut", "demo-cut", "fastcut"]


def test_its_recipe_takes_a_real_step(environment: Path) -> None:
    small = ["method.generator.channels=4", "method.generator.blocks=5", "method.discriminator.channels=4"]
    small += ["data.load_size=40", "data.crop_size=32"]
    gankit(environment, "build", "cut", "--check", *(part for s in small for part in ("--set", s)))


def test_what_the_plugin_imports() -> None:
    check_imports("gankit-cut")
