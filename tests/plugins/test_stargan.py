"""gankit-stargan: its networks, loss, method, data and metrics, and its wheel beside gankit's."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor, nn
from typer.testing import CliRunner

import gankit as package
from gankit import api
from gankit.cli.main import app
from gankit.core.errors import DataError, RecipeError
from gankit.core.recipe import Recipe
from gankit.discriminators.patch import PatchDiscriminator
from gankit.evaluation.evaluate import evaluate as measure
from gankit.fields import Label, Picture
from gankit.generators.resnet import ResnetGenerator
from gankit.inspect.recipe import check_recipe
from gankit.losses.adversarial import LSGAN, WGAN
from gankit.losses.penalties import GradientPenalty
from gankit.losses.reconstruction import Cycle
from gankit.methods.plan import Term
from gankit.norms.instance import InstanceNorm
from gankit.norms.none import NoNorm
from gankit.report.samples import Samples
from gankit.testing import check_component
from gankit.training import checkpoint
from gankit.training.devices import Devices
from gankit.training.seeds import reseed
from gankit.training.step import Stepper
from tests.plugins import wheels
from tests.plugins.registered import registered
from tests.plugins.wheels import PLUGINS, check_imports, gankit

PLUGIN = PLUGINS / "gankit-stargan"
RECIPES = PLUGIN / "gankit_stargan" / "recipes"
D = 3
"""Domains of the tests."""


@pytest.fixture(autouse=True)
def star(monkeypatch: pytest.MonkeyPatch) -> Iterator[Any]:
    """The plugin's modules, and its parts in the registry as if it were installed."""
    monkeypatch.syspath_prepend(PLUGIN)
    import gankit_stargan.discriminator
    import gankit_stargan.generator
    import gankit_stargan.hues
    import gankit_stargan.labelled
    import gankit_stargan.loss
    import gankit_stargan.method
    import gankit_stargan.metrics

    with registered(gankit_stargan):
        yield gankit_stargan


def tiny(star, **options: Any) -> Any:
    generator = partial(star.generator.StarGANGenerator, domains=D, channels=2, blocks=1)
    critic = partial(star.discriminator.StarGANDiscriminator, domains=D, channels=2, layers=2, image_size=16)
    return star.method.StarGAN(**{"generator": generator, "discriminator": critic, "critic_steps": 2} | options)


def losses(star) -> dict[str, Term | nn.Module]:
    return {
        "adversarial": WGAN(),
        "penalty": Term(GradientPenalty(), 10),
        "domain": star.loss.DomainClassification(),
        "cycle": Term(Cycle(), 10),
    }


def batch(count: int = 4) -> dict[str, Tensor]:
    generator = torch.Generator().manual_seed(3)
    return {
        kind: field.draw(count, (16, 16), generator) for kind, field in {"a": Picture(3), "domain": Label(D)}.items()
    }


def stepper(method: nn.Module, terms: dict[str, Any], **options: Any) -> Stepper:
    return Stepper(method, terms, pool_size=0, devices=Devices(torch.device("cpu")), **options)  # type: ignore[arg-type]


# -- networks --------------------------------------------------------------------------------------------------------
def test_the_networks_are_as_large_as_the_papers(star) -> None:
    """At 128 px with 5 labels: counted by hand from the layers of the paper's tables 4 and 5, norms affine."""
    with torch.device("meta"):
        generator, critic = star.generator.StarGANGenerator(3, 3), star.discriminator.StarGANDiscriminator(3)
    assert sum(p.numel() for p in generator.parameters()) == 8_430_528
    assert sum(p.numel() for p in critic.parameters()) == 44_762_048
    heads = critic.to_empty(device="cpu").heads(torch.zeros(1, 3, 128, 128))
    assert heads.logits.shape == (1, 1, 2, 2) and heads.classes.shape == (1, 5)


def test_the_label_goes_in_as_maps_beside_the_picture(star) -> None:
    generator = star.generator.StarGANGenerator(3, 3, domains=D, channels=2, blocks=1)
    seen: list[Tensor] = []
    generator.stem.register_forward_pre_hook(lambda module, inputs: seen.append(inputs[0]))
    x, domain = batch()["a"], torch.tensor([0, 1, 2, 1])
    generator(x, domain)
    torch.testing.assert_close(seen[0][:, :3], x)
    torch.testing.assert_close(seen[0][:, 3:], F.one_hot(domain, D).float()[:, :, None, None].expand(-1, -1, 16, 16))


def test_the_generator_is_the_papers_layer_by_layer(star) -> None:
    """Against the layers of the paper's table 4, called one by one with the same weights."""
    generator = star.generator.StarGANGenerator(3, 3, domains=D, channels=2, blocks=2)
    weights = iter([p + 0.1 * torch.randn_like(p) for p in generator.parameters()])
    with torch.no_grad():
        for parameter, drawn in zip(generator.parameters(), weights, strict=True):
            parameter.copy_(drawn)
    left, x = iter(generator.parameters()), batch()["a"]

    def layer(y: Tensor, convolve: Callable[..., Tensor], *geometry: int) -> Tensor:
        y = convolve(y, next(left), None, *geometry)
        return F.instance_norm(y, weight=next(left), bias=next(left))

    domain = torch.tensor([0, 1, 2, 1])
    y = torch.cat([x, F.one_hot(domain, D).float()[:, :, None, None].expand(-1, -1, 16, 16)], 1)
    y = layer(y, F.conv2d, 1, 3).relu()
    for _ in range(2):
        y = layer(y, F.conv2d, 2, 1).relu()
    for _ in range(2):
        y = y + layer(layer(y, F.conv2d, 1, 1).relu(), F.conv2d, 1, 1)
    for _ in range(2):
        y = layer(y, F.conv_transpose2d, 2, 1).relu()
    y = F.conv2d(y, next(left), None, 1, 3).tanh()
    assert not list(left)
    torch.testing.assert_close(generator(x, domain), y, rtol=1e-4, atol=1e-5)


def test_convolutions_have_a_bias_where_the_norm_has_no_offset(star) -> None:
    for norm, biased in ((InstanceNorm, True), (partial(InstanceNorm, affine=True), False), (NoNorm, True)):
        generator = star.generator.StarGANGenerator(3, 3, domains=D, channels=2, blocks=1, norm=norm)
        convolutions = [m for m in generator.modules() if isinstance(m, nn.Conv2d | nn.ConvTranspose2d)]
        assert len(convolutions) == 8 and {m.bias is not None for m in convolutions} == {biased}


def test_with_an_attention_the_source_is_seen_where_nothing_is_attended_to(star) -> None:
    make = partial(star.generator.StarGANGenerator, domains=D, channels=2, blocks=1, halvings=0, kernel=3)
    generator, x, domain = make(3, 3, attention=True), torch.rand(2, 3, 5, 7) * 2 - 1, torch.tensor([0, 2])
    assert (generator.size_multiple, generator.min_size) == (1, 2) and generator.offers == {"attention"}
    with torch.no_grad():
        generator.head.weight[-1] = 0
        generator.head.bias = nn.Parameter(torch.tensor([0.3, 0.1, -0.2, -100.0]))
        kept = generator(x, domain)
        torch.testing.assert_close(kept.image, x)
        assert kept.attention.shape == (2, 1, 5, 7) and kept.attention.max() < 1e-6
        generator.head.bias[-1] = 0
        half = generator(x, domain)
        generator.head.bias[-1] = 100
        torch.testing.assert_close(half.image, (x + generator(x, domain).image) / 2)
    with pytest.raises(ValueError, match="not of 3 and 1 channels"):
        make(3, 1, attention=True)
    with pytest.raises(ValueError, match="set `kernel` to an odd number, not 4"):
        make(3, 3, kernel=4)


def test_both_heads_see_one_body(star) -> None:
    critic = star.discriminator.StarGANDiscriminator(3, domains=D, channels=2, layers=2, image_size=16)
    x = batch()["a"]
    judged = critic.heads(x)
    torch.testing.assert_close(judged.logits, critic(x))
    assert judged.logits.shape == (4, 1, 4, 4) and judged.classes.shape == (4, D)
    wide = critic.heads(torch.cat([x, x], 3))  # of a larger picture, the mean over the places
    assert wide.logits.shape == (4, 1, 4, 8) and wide.classes.shape == (4, D)
    with pytest.raises(ValueError, match="16 x 16 px at least"):
        critic(x[..., :8])
    with pytest.raises(ValueError, match="after 5 halvings nothing is left of 16 px"):
        star.discriminator.StarGANDiscriminator(3, layers=5, image_size=16)


# -- loss and method -------------------------------------------------------------------------------------------------
def test_the_loss_is_the_mean_cross_entropy_of_each_side(star) -> None:
    logits, label = torch.randn(4, D), torch.tensor([0, 2, 1, 1])
    by_hand = -torch.stack([row.log_softmax(0)[i] for row, i in zip(logits, label, strict=True)]).mean()
    loss = star.loss.DomainClassification()
    torch.testing.assert_close(loss(logits, label), by_hand)
    torch.testing.assert_close(loss.discriminator(logits, label), by_hand)


def test_a_step_holds_what_the_paper_says(star) -> None:
    """Each term of a step, against the networks called by hand."""
    method, data = tiny(star), batch()
    play = stepper(method, losses(star), optimizer=partial(torch.optim.SGD, lr=0.0))
    generator, critic = method.network("generator", "a2b"), method.network("discriminator", "a2b")
    reseed(5)
    target = torch.randint(D, (4,))
    with torch.no_grad():
        fake = generator(data["a"], target)
        back, real, made = generator(fake, data["domain"]), critic.heads(data["a"]), critic.heads(fake)
    expected = {
        "discriminator/adversarial": made.logits.mean() - real.logits.mean(),
        "discriminator/domain": F.cross_entropy(real.classes, data["domain"]),
        "generator/adversarial": -made.logits.mean(),
        "generator/domain": F.cross_entropy(made.classes, target),
        "generator/cycle": 10 * (back - data["a"]).abs().mean(),
    }
    reseed(5)
    found = play.step(data)
    assert found.keys() == {f"{name}/a2b" for name in [*expected, "discriminator/penalty"]}
    for name, value in expected.items():
        assert found[f"{name}/a2b"] == pytest.approx(float(value), rel=1e-5), name


def test_the_generator_moves_once_for_several_moves_of_the_critic(star) -> None:
    method = tiny(star)
    play, moved = stepper(method, losses(star)), []
    for _ in range(4):
        before = {k: v.clone() for k, v in method.named_parameters()}
        play.step(batch())
        moved.append({k.split(".")[1].split("_")[0] for k, v in method.named_parameters() if not v.equal(before[k])})
    assert moved == [{"generator", "discriminator"}, {"discriminator"}] * 2


def test_targets_are_drawn_anew_and_follow_the_seed(star) -> None:
    method, data = tiny(star), batch(64)
    drawn = []
    for seed in (1, 2, 1):
        reseed(seed)
        drawn.append(method.tensors_of(data, "a2b", ("domain",))["domain"])
    assert drawn[0].equal(drawn[2]) and not drawn[0].equal(drawn[1])
    assert set(drawn[0].tolist()) == set(range(D)) and drawn[0].dtype == torch.int64


def test_a_critic_that_plays_alone_sees_the_fakes_of_the_labels_that_it_is_told(star) -> None:
    """In steps without the generator's turn too: one draw for picture and label."""

    class Seen(nn.Module):
        turn = "discriminator"

        def forward(self, output: Tensor, domain: Tensor, fake_logits: Tensor) -> Tensor:
            seen.append((output, domain))
            return fake_logits.mean()

    seen: list[tuple[Tensor, Tensor]] = []
    method, data = tiny(star), batch()
    play = stepper(method, losses(star) | {"seen": Seen()}, optimizer=partial(torch.optim.SGD, lr=0.0))
    for _ in range(2):
        play.step(data)
    for output, domain in seen:
        torch.testing.assert_close(output, method.network("generator", "a2b")(data["a"], domain).detach())


@pytest.mark.parametrize("adversarial", [LSGAN(), None], ids=["lsgan", "no critic's loss"])
def test_any_adversarial_loss_or_none(star, adversarial) -> None:
    terms = losses(star) | {"adversarial": adversarial}
    found = stepper(tiny(star), {k: v for k, v in terms.items() if v is not None}).step(batch())
    assert ("generator/adversarial/a2b" in found) == (adversarial is not None)


def test_translations_follow_the_label(star) -> None:
    method, x = tiny(star).eval(), torch.rand(2, 3, 19, 22) * 2 - 1
    assert method.needs("a2b") == {"source": Picture(3), "domain": Label(D)} and method.conditions("a2b") == {}
    made = [method.translate({"source": x, "domain": torch.tensor([d, d])}) for d in range(D)]
    assert all(m.shape == x.shape for m in made) and not torch.allclose(made[0], made[1])
    torch.testing.assert_close(
        method.tensors_of({"a": x}, "a2b", ("translations",))["translations"], torch.stack(made, 1)
    )
    with pytest.raises(ValueError, match="domain is missing"):
        method.translate(x)


def test_what_does_not_fit_is_refused_in_words(star) -> None:
    with pytest.raises(ValueError, match="the label `domain`, which ResnetGenerator does not take"):
        tiny(star, generator=partial(ResnetGenerator, channels=2, blocks=1))
    with pytest.raises(ValueError, match=r"names the domain too .* which PatchDiscriminator does not"):
        tiny(star, discriminator=partial(PatchDiscriminator, channels=2))
    with pytest.raises(ValueError, match="makes 4 domains and the critic names 3"):
        tiny(star, generator=partial(star.generator.StarGANGenerator, domains=4, channels=2))


# -- data ------------------------------------------------------------------------------------------------------------
def test_truths_differ_in_the_hue_of_the_objects_alone(star) -> None:
    drawn = star.hues.Hues(domains=4, size=32, train=8, test=2)
    for index in range(8):
        item = drawn.item(index)
        domain, truths = int(item["domain"]), item["truths"].unflatten(0, (4, 3))
        assert domain == index % 4 and item["a"].equal(truths[domain])
        inside = item["mask_a"][0] > 0
        assert 0.02 < inside.float().mean() < 0.98
        levels = (truths + 1).mul(127.5)
        assert (levels[:, :, ~inside] == levels[:1, :, ~inside]).all()
        # At full cover the brightest channel is the object's brightness, the darkest its saturation: no domain's own.
        whole = -F.max_pool2d(-item["mask_a"][None], 3, 1, 1)[0, 0] > 0
        for extreme in (levels.amax(1), levels.amin(1)):
            assert (extreme[:, whole] - extreme[:1, whole]).abs().max() <= 40
        assert not levels[0, :, inside].equal(levels[2, :, inside])


def test_scenes_are_a_function_of_seed_split_and_index(star) -> None:
    make = partial(star.hues.Hues, size=16, train=4, test=4)
    one, again, other = make(), make(cache=False), make(seed=1)
    for index in range(4):
        assert one.item(index)["a"].equal(again.item(index)["a"])
        assert not one.item(index)["a"].equal(other.item(index)["a"])
        assert not one.item(index)["a"].equal(one.split("test").item(index)["a"])
    with pytest.raises(IndexError):
        one.item(4)


@pytest.fixture
def folders(tmp_path: Path) -> Path:
    for split, count in (("train", 3), ("test", 1)):
        for name, shade in (("dark", 20), ("light", 230)):
            for i in range(count):
                path = tmp_path / split / name / f"{i}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                Image.new("RGB", (24, 20), (shade + i, shade, shade)).save(path)
    return tmp_path


def test_a_folder_for_each_domain(star, folders: Path) -> None:
    make = partial(star.labelled.Labelled, domains=["dark", "light"], root=str(folders), load_size=18, crop_size=16)
    data = make()
    labels = [int(data.item(i, torch.Generator())["domain"]) for i in range(len(data))]
    assert labels == [0, 0, 0, 1, 1, 1] and len(data.split("test")) == 2
    assert all((data.item(i, torch.Generator())["a"].mean() > 0) == bool(label) for i, label in enumerate(labels))
    assert data.fields == {"a": Picture(3), "domain": Label(2)} and "3 dark, 3 light" in repr(data)
    assert "interpolation='nearest'" in repr(make(interpolation="nearest"))
    with pytest.raises(DataError, match="grey"):
        make(domains=["dark", "grey"])
    with pytest.raises(ValueError, match="names one twice"):
        make(domains=["dark", "dark"])
    options = {"domains": ["dark", "light"], "root": str(folders), "load_size": 18, "crop_size": 16}
    check_component("dataset", "gankit-stargan/labelled", overrides=options)


# -- metrics ---------------------------------------------------------------------------------------------------------
def drawn_set(star, count: int = 6) -> dict[str, Tensor]:
    data = star.hues.Hues(domains=D, size=16, train=1, test=count).split("test")
    items = [data.item(i) for i in range(count)]
    found = {name: torch.stack([item[name] for item in items]) for name in items[0]}
    return {
        "source": found["a"],
        "source_domain": found["domain"],
        "mask": found["mask_a"],
        "counterparts": found["truths"].unflatten(1, (D, 3)),
    }


def rows(metric: Any, tensors: dict[str, Tensor]) -> dict[str, float]:
    statistics = metric.statistics(*(tensors[name] for name in metric.needs()))
    return {label: float(metric.summarise(part)) for label, part in metric.rows(statistics)}


def test_errors_of_known_answers(star) -> None:
    known, metric = drawn_set(star), star.metrics.DomainError()
    truth = known["counterparts"]
    perfect = rows(metric, known | {"translations": truth})
    idle = rows(metric, known | {"translations": known["source"][:, None].expand_as(truth)})
    assert list(perfect) == ["", "to 0", "to 1", "to 2", "mean colour", "best constant"]
    assert [perfect[name] for name in ("", "to 0", "to 1", "to 2")] == [0] * 4
    assert [idle[name] for name in ("", "to 0", "to 1", "to 2")] == pytest.approx([1] * 4)
    flat = {name: perfect[name] for name in ("mean colour", "best constant")}
    assert flat == {name: idle[name] for name in flat} and 0 < flat["mean colour"] < flat["best constant"] < 1
    painted = truth.clone()
    for d in range(D):  # the constant, by hand: the median of each channel in all objects that are to become d
        here = (known["source_domain"] != d)[:, None, None] & (known["mask"][:, 0] > 0.5)
        values = truth[:, d].permute(1, 0, 2, 3)[:, here]
        painted[:, d] = values.median(1).values[None, :, None, None]
    by_hand = rows(metric, known | {"translations": painted})[""]
    assert by_hand == pytest.approx(flat["best constant"], rel=1e-6)
    mean = rows(metric, known | {"translations": truth * 0 + _means(truth, known["mask"])})[""]
    assert mean == pytest.approx(flat["mean colour"], abs=0.01)  # but for the rounding to 8 bits
    assert metric(*(({"translations": truth} | known)[name] for name in metric.needs())) == 0


def _means(truth: Tensor, mask: Tensor) -> Tensor:
    inside = mask[:, None]
    return (truth * inside).sum((3, 4), keepdim=True) / inside.sum((3, 4), keepdim=True)


def test_a_pictures_own_domain_is_no_target(star) -> None:
    known, metric = drawn_set(star), star.metrics.DomainError()
    wrong = known["counterparts"].clone()
    own = (torch.arange(len(wrong)), known["source_domain"])
    wrong[own] = -wrong[own]
    assert rows(metric, known | {"translations": wrong})[""] == 0


def test_shares_of_known_answers(star) -> None:
    known = drawn_set(star)
    truth, near = known["counterparts"], star.metrics.DomainNearest()
    assert set(rows(near, known | {"translations": truth}).values()) == {1}
    assert set(rows(near, known | {"translations": known["source"][:, None].expand_as(truth)}).values()) == {0}
    one = truth[:, :1].expand_as(truth)  # all become domain 0
    found = rows(near, known | {"translations": one})
    assert found == {"": pytest.approx(1 / 3), "to 0": 1, "to 1": 0, "to 2": 0}
    own = known["source_domain"]
    seen = F.one_hot(torch.tensor([[0, 1, 2], [0, 0, 0]] * 3), D).double()
    real = F.one_hot((own + (torch.arange(6) >= 3)) % D, D).double()  # right in half of the pictures
    share = rows(star.metrics.DomainShare(), {"source_domain": own, "translated_classes": seen, "real_classes": real})
    # Pictures 1, 3, 5 are of the domains 1, 0, 2: of their targets only domain 0 is named, by two.
    assert share[""] == pytest.approx((6 + 2) / 12) and share["to 0"] == 1
    assert share["real pictures"] == 0.5 and share["the input"] == pytest.approx(3 / 12)


# -- conformance, recipes, use ---------------------------------------------------------------------------------------
@pytest.mark.parametrize("kind, name", [("generator", "stargan"), ("discriminator", "stargan"), ("method", "stargan")])
def test_conformance_of_networks_and_method(kind: str, name: str) -> None:
    check_component(kind, f"gankit-stargan/{name}")


def test_conformance_of_loss_and_data() -> None:
    logits = torch.randn(4, D, generator=torch.Generator().manual_seed(0))
    inputs = {"fake_classes": logits, "real_classes": logits.flip(0)}
    inputs |= {"domain": torch.tensor([0, 1, 2, 1]), "source_domain": torch.tensor([2, 1, 0, 0])}
    check_component("loss", "gankit-stargan/domain", inputs=inputs)
    check_component("dataset", "gankit-stargan/hues", overrides={"size": 16, "train": 4, "test": 4})


@pytest.mark.parametrize("name", ["domain_error", "domain_nearest", "domain_share"])
def test_conformance_of_metrics(star, name: str) -> None:
    known = drawn_set(star)
    chance = torch.Generator().manual_seed(0)
    known |= {"translations": known["counterparts"].flip(0)}
    known |= {"translated_classes": torch.randn(6, D, D, generator=chance)}
    known |= {"real_classes": torch.randn(6, D, generator=chance)}
    check_component("metric", f"gankit-stargan/{name}", inputs=known)


SMALL = [
    *("method.generator.domains=3", "method.generator.channels=2", "method.generator.blocks=1"),
    *("method.discriminator.domains=3", "method.discriminator.channels=2", "method.discriminator.layers=2"),
    *("method.discriminator.image_size=16", "data={type: hues, domains: 3, size: 16, train: 8, test: 4}"),
    "train.batch_size=2",
]


@pytest.mark.parametrize("name", ["stargan", "stargan-shapes"])
def test_the_recipes(uninstalled: Callable[[str], Path], name: str) -> None:
    lines = (RECIPES / f"{name}.yaml").read_text().splitlines()
    assert any(line.startswith(f"# Run:   gankit train {name}") for line in lines)
    assert 'plugins: {gankit-stargan: ">=0.1"}' in lines
    recipe = Recipe.load(uninstalled(name))
    weights = {"adversarial": 1, "penalty": 10, "domain": 1, "cycle": 10}
    weights |= {"adversarial": 5, "penalty": 50} if name == "stargan-shapes" else {}
    assert {term: envelope.weight for term, envelope in recipe.losses.items()} == weights
    counts = {recipe.method.generator.domains, recipe.method.discriminator.domains}
    assert counts == {len(recipe.data.domains) if name == "stargan" else recipe.data.domains}
    (played,) = check_recipe(Recipe.load(uninstalled(name), SMALL))
    assert {key.split("/")[1] for key in played.losses} == set(weights)


def test_data_of_other_domains_is_refused_with_its_place(uninstalled: Callable[[str], Path], tmp_path: Path) -> None:
    recipe = Recipe.load(uninstalled("stargan-shapes"), [*SMALL, "data.domains=4", "train.steps=1"])
    with pytest.raises(RecipeError, match=r"takes `domain` as a whole number from 0 to 2, but that of .*hues is .* 3"):
        package.train(recipe, out=tmp_path / "run", device="cpu")


class Killed(BaseException):
    """Ends a training at once, as no handler would."""


def test_resuming_ends_with_the_same_bits(
    uninstalled: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_finish", lambda run, device: None)
    recipe = Recipe.load(uninstalled("stargan-shapes"), [*SMALL, "train.steps=4", "train.save_every=1"])
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


def test_a_run_translates_to_the_domain_that_it_is_given(
    uninstalled: Callable[[str], Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(api, "_finish", lambda run, device: None)
    recipe = Recipe.load(uninstalled("stargan-shapes"), [*SMALL, "train.steps=1"])
    model = package.train(recipe, out=tmp_path / "run", device="cpu")
    picture = Image.new("RGB", (19, 22), (200, 120, 40))
    one, two = (model.translate(picture, given={"domain": d}) for d in (1, 2))
    assert one.size == picture.size and one.tobytes() != two.tobytes()
    with pytest.raises(DataError, match="domain"):
        model.translate(picture)
    with pytest.raises(DataError, match="a whole number from 0 to 2"):
        model.translate(picture, given={"domain": 3})
    picture.save(tmp_path / "photo.png")
    arguments = ["translate", *map(str, (tmp_path / "run", tmp_path / "photo.png")), "--out", str(tmp_path / "two")]
    assert CliRunner().invoke(app, arguments).exit_code == 2
    done = CliRunner().invoke(app, [*arguments, "--given", "domain=2"])
    assert done.exit_code == 0, done.output
    assert Image.open(tmp_path / "two" / "photo.png").tobytes() == two.tobytes()


def test_what_is_measured_and_drawn_of_a_run(star) -> None:
    data, method = star.hues.Hues(domains=D, size=16, train=1, test=4), tiny(star).eval()
    found = measure(method, data, batch_size=4).as_dict()["results"]
    labels = {(row["metric"], row.get("label", "")) for row in found}
    for name in ("domain_error", "domain_share", "domain_nearest"):
        assert {(name, f"to {d}") for d in range(D)} <= labels
    assert ("domain_error", "best constant") in labels and ("background_psnr", "") in labels
    assert measure(method, data, batch_size=2).as_dict()["results"][0]["value"] == pytest.approx(found[0]["value"])
    grid = Samples(data, 2, 0).grid(method)
    assert grid.size[0] > 3 * 128  # source, output, reconstruction


# -- the package -----------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return wheels.environment(tmp_path_factory.mktemp("wheels"), "gankit-stargan")


def test_the_plugin_is_listed(environment: Path) -> None:
    [status] = json.loads(gankit(environment, "plugins", "--json"))
    assert (status["distribution"], status["version"], status["state"]) == ("gankit-stargan", "0.1.0", "ok")
    assert status["recipes"] == ["stargan", "stargan-shapes"]


def test_its_recipe_takes_a_real_step(environment: Path) -> None:
    gankit(environment, "build", "stargan-shapes", "--check", *(part for s in SMALL for part in ("--set", s)))


def test_what_the_plugin_imports() -> None:
    check_imports("gankit-stargan")
