"""The losses of style transfer, against pytorch/examples (fast neural style)."""

from __future__ import annotations

import re
from collections.abc import Iterator

import torch
from torch import Tensor

from gankit.backbones.normalize import Normalize
from gankit.features import Features
from gankit.losses.gram_style import GramStyle, gram
from gankit.losses.perceptual import Perceptual
from gankit.losses.total_variation import TotalVariation
from tests.golden.formula_vgg import factory
from tests.golden.harness import Case, Comparison, Unsupported, compare, compare_gradient, compare_output, family

STYLE = ("relu1_2", "relu2_2", "relu3_3", "relu4_3")


def ours(pictures: Tensor) -> Tensor:
    """From 0..255 to [-1, 1]."""
    return pictures.float() / 127.5 - 1


@family("style.functions")
def functions(case: Case) -> Iterator[Comparison]:
    """What is stored of: the Gram matrix, total variation, the normalization (theirs divides its argument in place)."""
    if "output.gram" in case:
        features = case["input.features"].clone().requires_grad_()
        made = gram(features)
        yield compare_output("gram", made, case["output.gram"])
        slope = torch.autograd.grad((made * case["input.gram_cotangent"]).sum(), features)[0]
        yield compare_gradient("grad.gram", slope, case["grad.features_of_sum_gram_x_cotangent"])
    if "output.tv" in case:
        image = case["input.image"].clone().requires_grad_()
        loss = TotalVariation()(image)
        yield compare("tv", loss, case["output.tv"], rtol=1e-5)
        yield compare_gradient("grad.tv", torch.autograd.grad(loss, image)[0], case["grad.image_of_tv"])
    if "output.normalized" in case:
        batch = ours(case["input.batch"])
        yield compare_output("normalized", Normalize("imagenet")(batch), case["output.normalized"])
        if "output.batch_after" in case:
            yield compare_output("batch_after", Normalize("none")(batch), case["output.batch_after"])


@family("style.loss")
def loss(case: Case) -> Iterator[Comparison]:
    """content_weight * MSE of one layer, and style_weight * the MSEs of the Gram matrices; formula VGG-16."""
    content_layers = [case.info.get("content_layer", "relu2_2")]
    style_layers = list(case.info.get("style_layers", [k for k in STYLE if f"output.style_mse.{k}" in case] or STYLE))
    content = Perceptual(factory(), content_layers)
    style = GramStyle(factory(), style_layers)
    weights = {"content": case.info.get("content_weight", 1e5), "style": case.info.get("style_weight", 1e10)}
    y = case["input.y"].clone().requires_grad_()
    x, painting = (ours(picture(case, name)) for name in ("x", "style"))
    theirs = dict.fromkeys((*content_layers, *style_layers, *STYLE))
    net = factory()(tuple(theirs))
    features, of_style = net(ours(y), tuple(theirs)), net(painting, tuple(theirs))
    found = {"content_loss": weights["content"] * content(ours(y), x)}
    found["style_loss"] = weights["style"] * style(ours(y), painting)
    found["total_loss"] = found["content_loss"] + found["style_loss"]
    for key, reference in case.prefix("output.").items():
        if key in found:
            yield compare(key, found[key], reference, rtol=1e-4)
        else:
            yield compare_output(key, detail(key, features, of_style), reference)
    if "grad.y" in case:
        yield compare_gradient("grad.y", torch.autograd.grad(found["total_loss"], y)[0], case["grad.y"])


def picture(case: Case, name: str) -> Tensor:
    return case[f"input.{name}_u8"] if f"input.{name}_u8" in case else case[f"input.{name}"]


def detail(key: str, features: Features, of_style: Features) -> Tensor:
    """One of the stored details of a layer."""
    what, _, layer = key.partition(".")
    if what == "style_mse" and layer in features:
        return (gram(features[layer]) - gram(of_style[layer])).square().mean()
    if what == "mean" and layer in features:
        return features[layer].mean()
    if what == "gram_style" and layer in features:
        return gram(of_style[layer])[0]
    if (first := re.fullmatch(r"(\w+?_\d)_first(\d+)", key)) and first[1] in features:
        return features[first[1]][:, : int(first[2])]
    raise Unsupported(f"output.{key}")
