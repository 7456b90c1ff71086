"""LBAM's and PConv's layers, networks and losses against Vious/LBAM_Pytorch, NVIDIA/partialconv and naoto0804."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from functools import partial

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.func import functional_call

from gankit.discriminators.double_column import DoubleColumnDiscriminator
from gankit.generators.lbam_layers import (
    Activation,
    AsymmetricGaussian,
    ForwardAttention,
    MaskUpdate,
    ReverseAttention,
    ReverseMask,
)
from gankit.generators.pconv_layers import PartialConv2d
from gankit.interop import lbam, pconv
from gankit.losses.adversarial import WGAN
from gankit.losses.gram_style import GramStyle
from gankit.losses.masked import MaskedL1
from gankit.losses.penalties import GradientPenalty
from gankit.losses.perceptual import Perceptual
from gankit.losses.total_variation import TotalVariation
from gankit.norms.batch import BatchNorm
from gankit.norms.none import NoNorm
from tests.golden.assemble import assemble
from tests.golden.families.generators import gradients, leaves, load
from tests.golden.formula_vgg import factory
from tests.golden.harness import Case, Comparison, Unsupported, compare, compare_gradient, compare_output, family
from tests.golden.metadata import Options

SCALARS = {"a": "a", "mu": "mu", "sigma1": "left", "sigma2": "right"}
PARTS = (
    ("activationFuncG_A.", "attention."),
    ("reverseMaskConv", "conv"),
    ("maskConv", "mask_conv"),
    ("bn.", "norm."),
    ("activ.", "activation."),
)
ACTIVATIONS: dict[str, Activation] = {
    "leaky": "leaky_relu", "relu": "relu", "sigmoid": "sigmoid", "tanh": "tanh", "prelu": "prelu",
}  # fmt: skip
SAMPLES = {"down-3": (3, 2, 1), "down-4": (4, 2, 1), "down-5": (5, 2, 2), "down-7": (7, 2, 3)}
"""Kernel, stride and padding; whatever else is 3x3 at stride 1."""


def activation_of(args: Options) -> Activation:
    """Of a block of theirs: what it does not know is none."""
    return ACTIVATIONS.get(args.get("activ", "leaky"), "none")


def ours_of(key: str) -> str:
    """Our name for a key of a block of theirs."""
    key = key.replace("conv.conv", "conv").replace("conv.maskConv", "maskConv").replace("conv.activation", "activation")
    for theirs, name in PARTS:
        key = key.replace(theirs, name)
    *place, last = key.split(".")
    return ".".join([*place, SCALARS.get(last, last) if "attention" in place else last])


class Together(nn.Module):
    """Modules whose joint forward is a function."""

    def __init__(self, function: Callable, **modules: nn.Module) -> None:
        super().__init__()
        self.function = function
        for name, module in modules.items():
            self.add_module(name, module)

    def forward(self, *args: Tensor) -> dict[str, Tensor]:
        return self.function(self, *args)


def outputs_and_gradients(
    case: Case, net: nn.Module, state: dict[str, Tensor], ours: Mapping[str, Tensor], inputs: dict[str, Tensor]
) -> Iterator[Comparison]:
    """Every output that is stored, and the gradients of the sum of outputs times cotangents."""
    load(net, ours)
    found = functional_call(net, dict(ours), tuple(inputs.values()))
    for name, value in found.items():
        if f"output.{name}" in case:
            yield compare_output(name, value, case[f"output.{name}"])
    cotangents = {name: case[f"input.cotangent.{name}"] for name in found if f"input.cotangent.{name}" in case}
    loss = torch.stack([(found[name] * cotangent).sum() for name, cotangent in cotangents.items()]).sum()
    yield compare("loss", loss, case["output.loss"], rtol=1e-4, atol=1e-4)
    yield from gradients(case, loss, {**state, **inputs})


def asked(case: Case, *names: str) -> dict[str, Tensor]:
    return {name: case[f"input.{name}"].clone().requires_grad_() for name in names}


# -- LBAM --------------------------------------------------------------------------------------------------------------
@family("lbam.activations")
def activations(case: Case) -> Iterator[Comparison]:
    cotangent = torch.linspace(0.5, 1.5, len(case["input.x"]))
    for key in sorted(k for k in case.tensors if k.startswith("output.")):
        _, *tag, what = key.split(".")
        tag, x = ".".join(tag), case["input.x"].clone().requires_grad_()
        if what == "g_M":
            y = MaskUpdate(float(tag.removeprefix("alpha")))(x)
            yield compare_output(key, y, case[key])
            (slope,) = torch.autograd.grad((y * cotangent).sum(), x)
            yield compare_gradient(f"grad.{tag}.x", slope, case[f"grad.{tag}.x"])
            continue
        net = AsymmetricGaussian(*case.info["args"].get(tag, ()))
        load(net, {SCALARS[k]: v for k, v in case.prefix(f"state.{tag}.before.").items()})
        y = net(x)
        yield compare_output(key, y, case[key])
        for name, after in case.prefix(f"state.{tag}.after.").items():
            yield compare(f"{tag}.after.{name}", getattr(net, SCALARS[name]), after)
        stored = case.prefix(f"grad.{tag}.")
        at = [x if name == "x" else getattr(net, SCALARS[name]) for name in stored]
        slopes = torch.autograd.grad((y * cotangent).sum(), at)
        for (name, reference), slope in zip(stored.items(), slopes, strict=True):
            yield compare_gradient(f"grad.{tag}.{name}", slope, reference)


@family("lbam.forward_attention")
def forward_attention(case: Case) -> Iterator[Comparison]:
    """A layer alone (k, s, p), or a block with norm and activation (`sample`: down-3, down-4, ..., or 3x3)."""
    args, state = case.info["constructor" if "constructor" in case.info else "args"], leaves(case)
    if any(args.get(name, 1) != 1 for name in ("dilation", "groups")):
        raise Unsupported("a dilated or grouped convolution")
    block = any(key.startswith("conv.conv.") for key in state)
    if block:
        kernel, stride, padding = SAMPLES.get(args.get("sample", "down-4"), (3, 1, 1))
    else:
        names = (("k", "kernelSize"), ("s", "stride"), ("p", "padding"))
        kernel, stride, padding = (args[long if long in args else short] for short, long in names)
    ours = {ours_of(key): value for key, value in state.items()}
    layer = ForwardAttention(
        args["inputChannels"],
        args["outputChannels"],
        ours["mask_conv.weight"].shape[1],
        kernel=kernel,
        stride=stride,
        padding=padding,
        bias="conv.bias" in ours,
        norm=BatchNorm if "norm.weight" in ours else NoNorm,
        activation=activation_of(args) if block else "none",
    )

    def run(net: Together, features: Tensor, masks: Tensor) -> dict[str, Tensor]:
        found = net.layer(features, masks)  # type: ignore[operator]
        return dict(zip(("features", "mask_updated", "conv_pre", "mask_activ"), found, strict=True))

    net = Together(run, layer=layer).train(case.info.get("mode", "train") == "train")
    inputs = asked(case, "features", "masks")
    yield from outputs_and_gradients(case, net, state, {f"layer.{k}": v for k, v in ours.items()}, inputs)


@family("lbam.reverse_attention")
def reverse_attention(case: Case) -> Iterator[Comparison]:
    args, state = case.info["args"], leaves(case)
    norm = BatchNorm if "dc.bn.weight" in state else NoNorm

    def biased(part: str) -> bool:
        return any(key.startswith(f"{part}.") and key.lower().endswith("conv.bias") for key in state)

    def run(net: Together, skip: Tensor, dc_features: Tensor, forward_map: Tensor, reversed: Tensor) -> dict:
        first = net.reverseConv1(reversed)  # type: ignore[operator]
        second = net.reverseConv2(first.mask)  # type: ignore[operator]
        decoder = net.dc(skip, dc_features, torch.cat([forward_map, second.map], 1))  # type: ignore[operator]
        return {
            "maskActiv1": first.map,
            "maskUpdate1": first.mask,
            "maskActiv2": second.map,
            "maskUpdate2": second.mask,
            "decoder": decoder,
        }

    net = Together(
        run,
        reverseConv1=ReverseMask(case["input.masks_reversed"].shape[1], args["cmask"], bias=biased("reverseConv1")),
        reverseConv2=ReverseMask(args["cmask"], args["cout"], bias=biased("reverseConv2")),
        dc=ReverseAttention(
            args["cin"],
            args["cout"],
            args["cskip"],
            bias=biased("dc"),
            norm=norm,
            activation=activation_of(args),
        ),
    ).train(case.info.get("mode", "train") == "train")
    inputs = asked(case, "skip", "dc_features", "forward_map", "masks_reversed")
    yield from outputs_and_gradients(case, net, state, {ours_of(k): v for k, v in state.items()}, inputs)


@family("lbam.generator")
def lbam_generator(case: Case) -> Iterator[Comparison]:
    state = leaves(case)
    said = case.info.get("old_version", "")
    fragment, ours = lbam.generator(state, image="abs" if "|tanh|" in said else "tanh" if "tanh" in said else None)
    net = assemble("generator", fragment, case["input.gt_u8"].shape[1], case["output.image"].shape[1])
    net.train("train mode" in case.info.get("what", ""))
    load(net, ours)
    gt, known = case["input.gt_u8"].float() / 255, case["input.mask"].float()

    def run(both: Together, picture: Tensor, hole: Tensor) -> dict[str, Tensor]:
        inside = both.net
        known = 1 - hole
        levels = inside.encode((picture + 1) / 2 * known, known)  # type: ignore[operator, union-attr]
        maps = inside.reverse_maps(known)  # type: ignore[operator, union-attr]
        found = {"image": (inside(picture, hole) + 1) / 2}  # type: ignore[operator]
        for i, level in enumerate(levels, 1):
            named = {"features": level.features, "mask_updated": level.mask, "mask_activ": level.map}
            found |= {f"ec{i}.{name}": value for name, value in named.items()}
        for i, level in enumerate(maps, 1):
            found |= {f"reverseConv{i}.mask_activ": level.map, f"reverseConv{i}.mask_updated": level.mask}
        return found

    found = functional_call(Together(run, net=net), {f"net.{k}": v for k, v in ours.items()}, (gt * 2 - 1, 1 - known))
    for key in (k for k in case.tensors if k.startswith("output.")):
        name = key.removeprefix("output.")
        if name == "loss":
            continue
        mean = name.endswith("_mean") and name not in found
        value = found[name.removesuffix("_mean")].mean((2, 3)) if mean else found[name]
        yield compare_output(name, value, case[key])
    loss = (found["image"] - gt).abs().mean()
    yield compare_output("loss", loss, case["output.loss"])
    # Deep activations have gradients down to 1e-12: one absolute part for all, from the largest of them.
    stored = case.prefix("grad.")
    largest = max(value.abs().max().item() for value in stored.values())
    slopes = torch.autograd.grad(loss, [state[key] for key in stored], allow_unused=True)
    for (key, reference), slope in zip(stored.items(), slopes, strict=True):
        slope = torch.zeros_like(reference) if slope is None else slope
        atol = max(1e-4 * reference.abs().max().item(), 1e-6 * largest)
        yield compare_gradient(f"grad.{key}", slope, reference, atol)


# -- LBAM's losses -----------------------------------------------------------------------------------------------------
def up(values: Tensor, side: int) -> Tensor:
    return F.interpolate(values.float() / 255, scale_factor=side // values.shape[-1])


POOLS = ["pool1", "pool2", "pool3"]  # after features[:5], [5:10], [10:17]


def feature_terms(fake: Tensor, composite: Tensor, real: Tensor) -> dict[str, Tensor]:
    """Of values in [0, 1], which is what `normalize: none` makes of gankit's pictures."""
    alike = Perceptual(factory("none"), POOLS, "l1")
    style = GramStyle(factory("none"), POOLS, "l1")
    return {
        "perceptual_x0.01": 0.01 * (alike(fake, real) + alike(composite, real)),
        "style_x120": 120 * (style(fake, real) + style(composite, real)),
    }


@family("lbam.loss")
def lbam_loss(case: Case) -> Iterator[Comparison]:
    mask = case["input.mask"].float()
    side, hole = mask.shape[-1], 1 - mask
    y, x = torch.arange(side)[:, None], torch.arange(side)
    ramp = ((y % 16) + (x % 8)) / 64
    gt = up(case["input.gt_u8"], side) * 0.6 + ramp
    output = (up(case["input.out_u8"], side) * 0.6 + ramp.flip(-1)).requires_grad_()
    real, fake = 2 * gt - 1, 2 * output - 1  # gankit's pictures
    composite = torch.where(hole > 0.5, fake, real)

    # Weights for [0, 1] are halved where gankit's loss is taken on [-1, 1].
    terms = {
        "hole_x6": 3 * MaskedL1("hole")(fake, real, hole),
        "valid": 0.5 * MaskedL1("valid")(fake, real, hole),
        **feature_terms(fake, composite, real),
    }
    for name, value in terms.items():
        yield compare_output(name, value, case[f"output.{name}"])
    without = torch.stack(list(terms.values())).sum()
    yield compare_output("G_loss_without_adv", without, case["output.G_loss_without_adv"])
    (slope,) = torch.autograd.grad(without, output, retain_graph=True)
    key = "grad.output_downsum8_of_G_loss_without_adv"
    summed = F.avg_pool2d(slope, side // case[key].shape[-1], divisor_override=1)
    yield compare_gradient(key, summed, case[key])
    yield compare_output("tv_of_output", 0.5 * TotalVariation()(fake), case["output.tv_of_output"])

    critic = partial(double_column(case.state("discriminator")), hole=hole)
    real_logits, fake_logits = critic(real), critic(fake.detach())
    yield compare_output("D_real_scores", real_logits.flatten(1), case["output.D_real_scores"])
    yield compare_output("D_fake_scores", fake_logits.flatten(1), case["output.D_fake_scores"])
    # The critic's gradient with respect to pictures in [0, 1] is twice that to gankit's: a constant of a half.
    gp = 40 * GradientPenalty(0.5)(critic, real, fake.detach(), case["input.gp_alpha"])
    yield compare("gradient_penalty", gp, case["output.gradient_penalty"], rtol=1e-4)
    loss = WGAN().discriminator(real_logits, fake_logits) + gp
    yield compare_output("D_loss_wgan_gp", loss, case["output.D_loss_wgan_gp"])
    reference = fake_logits.mean() + real_logits.mean() + gp  # the sign as it is in their code, which is not gankit's
    yield compare_output("D_loss_as_coded", reference, case["output.D_loss_as_coded"])
    as_coded = without - 0.1 * WGAN()(fake_logits)
    yield compare_output("G_loss_as_coded", as_coded, case["output.G_loss_as_coded"])


def double_column(state: Mapping[str, Tensor]) -> DoubleColumnDiscriminator:
    """Their discriminator, with the sigmoid of its last layer."""
    ours = {}
    for key, value in state.items():
        name = key
        for theirs, place in (("globalConv.", "known."), ("localConv.", "filled."), ("fusionLayer.0.", "head.")):
            name = name.replace(theirs, place)
        ours[name] = value
    order = sorted((k for k in ours if re.fullmatch(r"known\.\d+\.weight", k) and ours[k].ndim == 4), key=place_of)
    widths = [ours[k].shape[0] for k in order]
    net = DoubleColumnDiscriminator(ours[order[0]].shape[1], levels=len(widths), widths=widths, sigmoid=True)
    load(net, ours)
    return net.train()


def place_of(key: str) -> int:
    return int(key.split(".")[1])


# -- PConv -------------------------------------------------------------------------------------------------------------
@family("pconv.layer")
def partial_convolution(case: Case) -> Iterator[Comparison]:
    args = case.info["args"]
    state = {k.removeprefix("input_conv."): v for k, v in leaves_of(case).items() if not k.startswith("mask_conv")}
    factor = "naoto" not in case.info.get("repo", "") and "lacks" not in case.info.get("what", "")
    net = PartialConv2d(
        args["in_channels"],
        args["out_channels"],
        args["kernel"],
        args.get("stride", 1),
        args.get("padding", 0),
        args.get("bias", True),
        window_factor=factor,
    )
    load(net, state)
    x = case["input.x"].clone().requires_grad_()
    y, updated = functional_call(net, state, (x, case["input.mask"]))
    yield compare_output("y", y, case["output.y"])
    yield compare("updated_mask", updated, case["output.updated_mask"])
    found = {**state, "x": x}
    stored = {key.removeprefix("input_conv."): value for key, value in case.prefix("grad.").items()}
    slopes = torch.autograd.grad((y * case["input.cotangent"]).sum(), [found[key] for key in stored])
    for (key, reference), slope in zip(stored.items(), slopes, strict=True):
        yield compare_gradient(f"grad.{key}", slope, reference)


def leaves_of(case: Case) -> dict[str, Tensor]:
    return {k: v.clone().requires_grad_(v.is_floating_point()) for k, v in case.state().items()}


@family("pconv.generator")
def pconv_generator(case: Case) -> Iterator[Comparison]:
    args, state = case.info["args"], leaves(case)
    if args.get("upsampling_mode", "nearest") != "nearest":
        raise Unsupported(f"upsampling_mode {args['upsampling_mode']}")
    fragment, ours = pconv.generator(state)
    net = assemble("generator", fragment, args.get("input_channels", 3), case["output.y"].shape[1])
    net.train("eval" not in case.info.get("what", "eval"))
    load(net, ours)

    def run(both: Together, x: Tensor, mask: Tensor) -> dict[str, Tensor]:
        y, known = both.net.fill(x * mask, mask)  # type: ignore[operator, union-attr]
        return {"y": y, "mask": known}

    net = Together(run, net=net)
    inputs = (case["input.x"], case["input.mask"])
    found = functional_call(net, {f"net.{k}": v for k, v in ours.items()}, inputs)
    yield compare_output("y", found["y"], case["output.y"])
    yield compare("mask", found["mask"], case["output.mask"])
    yield from gradients(case, (found["y"] * case["input.cotangent"]).sum(), state)
