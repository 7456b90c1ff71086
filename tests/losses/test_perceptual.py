"""Losses that compare features."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import Tensor
from torch.nn import functional as F

from gankit.backbones.distilled_vgg19 import DistilledVGG19
from gankit.backbones.timm import Timm
from gankit.backbones.vgg import VGG16
from gankit.codecs.images import read_image, to_model_range
from gankit.core.errors import RecipeError
from gankit.features import FeatureLoss, Features
from gankit.losses.feature_matching import FeatureMatching
from gankit.losses.gram_style import GramStyle, gram
from gankit.losses.lpips import LPIPS
from gankit.losses.perceptual import Perceptual
from gankit.losses.reconstruction import Pixel
from gankit.losses.total_variation import TotalVariation
from gankit.report.page import html
from gankit.training.assemble import assemble, make_stepper
from gankit.training.devices import Devices
from gankit.training.run import Run
from gankit.training.step import Stepper
from tests.golden.formula_vgg import factory
from tests.real import DATA, SQUEEZENET, needs_weights

RANDOM = partial(VGG16, weights="random")


def picture(seed: int, count: int = 2, side: int = 32) -> Tensor:
    return torch.rand(count, 3, side, side, generator=torch.Generator().manual_seed(seed)) * 2 - 1


# -- perceptual --------------------------------------------------------------------------------------------------------
def test_perceptual_weighs_its_layers() -> None:
    x, y = picture(0), picture(1)
    net = factory()(("relu1_2", "relu2_2"))
    ours, theirs = (net(p, ("relu1_2", "relu2_2")) for p in (x, y))
    apart = [(ours[k] - theirs[k]) for k in ours]
    loss = Perceptual(factory(), {"relu1_2": 0.5, "relu2_2": 2.0})
    torch.testing.assert_close(loss(x, y), 0.5 * apart[0].square().mean() + 2 * apart[1].square().mean())
    loss = Perceptual(factory(), ["relu1_2"], distance="l1")
    torch.testing.assert_close(loss(x, y), apart[0].abs().mean())
    torch.testing.assert_close(loss(ours, theirs), apart[0].abs().mean())  # what a plan gives it


def test_perceptual_without_style() -> None:
    """MUNIT's: features with mean 0 and deviation 1 in each channel."""
    x, y = picture(0), picture(1)
    loss = Perceptual(factory(), ["relu1_2"], normalize_features=True)
    features = [F.instance_norm(loss.features(p)["relu1_2"]) for p in (x, y)]
    torch.testing.assert_close(loss(x, y), F.mse_loss(*features))
    given = Features({k: 3 * v + 1 for k, v in loss.features(x).items()})
    assert loss(given, x) < 1e-4 < loss(x, y)


def test_layers_that_nobody_names() -> None:
    assert Perceptual(RANDOM).layers == ("relu2_2",)
    assert GramStyle(RANDOM).layers == ("relu1_2", "relu2_2", "relu3_3", "relu4_3")
    assert Perceptual(partial(partial(DistilledVGG19, weights="random"))).layers == ("relu4_1",)
    loss = Perceptual(partial(Timm, model="resnet18", out_indices=(1, 2), weights="random"))
    assert loss.layers == ("1", "2") and loss(picture(0), picture(1)) > 0
    assert Perceptual(partial(Timm, model="resnet18", weights="random"), [1]).layers == ("1",)
    with pytest.raises(ValueError, match="`layers` is empty"):
        Perceptual(RANDOM, [])


# -- style -------------------------------------------------------------------------------------------------------------
def test_gram() -> None:
    f = torch.randn(2, 3, 4, 5)
    torch.testing.assert_close(gram(f), torch.einsum("nchw,ndhw->ncd", f, f) / (3 * 4 * 5))


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_gram_of_half_precision_does_not_overflow(dtype: torch.dtype) -> None:
    f = torch.full((1, 8, 64, 64), 600, dtype=dtype, requires_grad=True)  # the sum of squares is 1.5e9
    with torch.autocast("cpu", dtype=dtype):
        found = gram(f)
        loss = GramStyle(RANDOM, ["relu1_1"])(Features({"relu1_1": f}), Features({"relu1_1": torch.zeros_like(f)}))
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, torch.full((1, 8, 8), float(f[0, 0, 0, 0].detach()) ** 2 / 8), rtol=1e-4, atol=0)
    loss.backward()
    assert loss.isfinite() and f.grad is not None and f.grad.isfinite().all() and f.grad.any()


def test_style_of_one_picture_for_a_batch_and_of_any_size() -> None:
    x, style = picture(0), picture(1, count=1, side=48)
    loss = GramStyle(factory(), ["relu1_2", "relu2_2"])
    torch.testing.assert_close(loss(x, style), loss(x, style.expand(2, -1, -1, -1)))
    with pytest.raises(ValueError, match="there are 3 styles for 2 pictures"):
        loss(x, picture(1, count=3))


def test_style_of_gatys() -> None:
    """E = sum (G - A)^2 / (4 N^2 M^2), with Gram matrices that nothing divides; 1/5 of it for each layer."""
    x, style = picture(0, count=1), picture(1, count=1)
    loss = GramStyle(factory(), {"relu1_2": 0.2}, reduction="sum")
    f, g = (loss.features(p)["relu1_2"][0].flatten(1) for p in (x, style))
    wanted = 0.2 * (f @ f.T - g @ g.T).square().sum() / (4 * f.shape[0] ** 2 * f.shape[1] ** 2)
    torch.testing.assert_close(loss(x, style) / 4, wanted)


def test_style_l1() -> None:
    x, style = picture(0), picture(1)
    loss = GramStyle(factory(), ["relu1_2"], distance="l1")
    apart = gram(loss.features(x)["relu1_2"]) - gram(loss.features(style)["relu1_2"])
    torch.testing.assert_close(loss(x, style), apart.abs().mean())


# -- LPIPS -------------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("net", ["squeeze", "alex", "vgg"])
@pytest.mark.filterwarnings("ignore::UserWarning")  # it calls torchvision in an old way
def test_lpips_is_that_of_the_package(net: str, tmp_path: Path) -> None:
    """Any weights will do for that: here random ones, for both."""
    lpips = pytest.importorskip("lpips")
    theirs = lpips.LPIPS(net=net, pnet_rand=True, verbose=False)
    state = {"features." + k.split(".", 1)[1]: v for k, v in theirs.net.state_dict().items()}
    save_file(state, tmp_path / "own.safetensors")
    ours = LPIPS(net, weights=str(tmp_path / "own.safetensors"))  # type: ignore[arg-type]
    x, y = picture(0, side=64), picture(1, side=64)
    torch.testing.assert_close(ours.distances(x, y), theirs(x, y).flatten(), rtol=1e-4, atol=1e-6)
    assert ours(x, x) == 0 and not next(iter(ours.parameters())).requires_grad
    assert all(key.startswith("backbone.") for key in ours.state_dict())


@needs_weights
def test_lpips_of_published_pairs() -> None:
    loss = LPIPS("squeeze", weights=str(SQUEEZENET))
    generator = torch.Generator().manual_seed(42)
    x, y = (torch.rand(2, 3, 100, 100, generator=generator) * 2 - 1 for _ in range(2))
    torch.testing.assert_close(loss.distances(x, y), torch.tensor([0.1024, 0.0938]), rtol=0, atol=5e-5)
    of = {name: to_model_range(read_image(DATA / f"lpips_ref/ex_{name}.png"))[None] for name in ("ref", "p0", "p1")}
    assert loss(of["ref"], of["p0"]).item() == pytest.approx(0.711, abs=5e-4)
    assert loss(of["ref"], of["p1"]).item() == pytest.approx(0.148, abs=5e-4)


# -- the others --------------------------------------------------------------------------------------------------------
def test_pixel() -> None:
    x, y = picture(0), picture(1)
    torch.testing.assert_close(Pixel()(x, y), F.l1_loss(x, y))
    torch.testing.assert_close(Pixel("l2")(x, y), F.mse_loss(x, y))
    torch.testing.assert_close(Pixel("charbonnier", eps=0.1)(x, y), ((x - y) ** 2 + 0.01).sqrt().mean())
    flat = torch.zeros(1, 3, 4, 4, requires_grad=True)
    Pixel("charbonnier")(flat, torch.zeros(1, 3, 4, 4)).backward()
    assert flat.grad is not None and flat.grad.isfinite().all()
    with pytest.raises(ValueError, match="output and target have different shapes"):
        Pixel("l2")(x, x[:1])


def test_total_variation_as_a_sum() -> None:
    """Half the sum of squares: at each inner pixel its gradient is Johnson's, of four neighbours."""
    x = picture(0, side=6).double().requires_grad_()
    (0.5 * TotalVariation("squared", reduction="sum")(x)).backward()
    d = x.detach()
    inner = 4 * d[..., 1:-1, 1:-1] - d[..., :-2, 1:-1] - d[..., 2:, 1:-1] - d[..., 1:-1, :-2] - d[..., 1:-1, 2:]
    assert x.grad is not None
    torch.testing.assert_close(x.grad[..., 1:-1, 1:-1], inner)


def test_feature_matching() -> None:
    a, b, c, d = (torch.randn(2, 4, s, s, requires_grad=True) for s in (8, 8, 4, 4))
    loss = FeatureMatching()
    wanted = (F.l1_loss(a, b) + F.l1_loss(c, d)) / 2  # two critics of one layer each
    torch.testing.assert_close(loss(((a,), (c,)), ((b,), (d,))), wanted)
    torch.testing.assert_close(loss((a, c), (b, d)), 2 * wanted)  # one critic with two layers
    loss(((a,), (c,)), ((b,), (d,))).backward()
    assert a.grad is not None and b.grad is None
    with pytest.raises(ValueError, match="the same layers of the same critics"):
        loss((a, c), (b,))


# -- in recipes --------------------------------------------------------------------------------------------------------
def recipe(method: str, discriminator: dict) -> dict:
    maker = {"type": "unet", "channels": 4, "downs": 5}
    style = {"backbone": {"type": "vgg16", "weights": "random"}, "layers": ["relu1_2"]}
    return {
        "gankit": 1,
        "name": "t",
        "method": {"type": method, "generator": maker, "discriminator": discriminator},
        "losses": {
            "gan": {"type": "lsgan"},
            "features": {"type": "feature_matching", "weight": 10},
            "content": {"type": "perceptual", **style},
            "style": {"type": "gram_style", "on": {"style": "target"}, **style},
            "pixel": {"type": "pixel"},
        },
        "data": {"type": "shapes"},
        "train": {"epochs": 1},
    }


PATCH = {"type": "patch", "channels": 4, "layers": 2}


@pytest.mark.parametrize("method", ["paired", "cyclegan"])
@pytest.mark.parametrize("discriminator", [PATCH, {"type": "multiscale", "scales": 2, "discriminator": PATCH}])
def test_all_in_one_step(method: str, discriminator: dict) -> None:
    torch.manual_seed(0)
    parts = assemble(recipe(method, discriminator))
    shared = {id(t.loss.backbone) for t in parts.terms.values() if isinstance(t.loss, FeatureLoss)}
    assert len(shared) == 1
    stepper = Stepper(parts.method, parts.terms)
    losses = stepper.step({"a": picture(0), "b": picture(1)})
    assert {key.split("/")[1] for key in losses} == {"gan", "features", "content", "style", "pixel"}
    assert all(torch.tensor(value).isfinite() for value in losses.values()) and losses["generator/features/a2b"] > 0


def test_random_weights_are_named(caplog: pytest.LogCaptureFixture, tmp_path: Path) -> None:
    parts = assemble(recipe("paired", PATCH))
    make_stepper(parts, Devices.open("cpu"))
    assert "random weights to the backbone of losses.content and losses.style" in caplog.text
    (tmp_path / "recipe.json").write_text(json.dumps(recipe("paired", PATCH)))
    assert "are used by: content, style." in html(Run(tmp_path))


def test_a_critic_without_features_is_refused_in_words() -> None:
    with pytest.raises(RecipeError, match=r"its discriminator gives no features: set method.discriminator to patch"):
        assemble(recipe("paired", {"type": "multiscale", "discriminator": {"type": "pixel", "channels": 4}}))
