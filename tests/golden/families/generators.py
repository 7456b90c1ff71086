"""Generators and norms against the reference code of CycleGAN, pix2pix, CUT and U-GAT-IT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gankit.interop import junyanz, ugatit
from gankit.norms.adalin import LIN, AdaLIN
from tests.golden.assemble import assemble
from tests.golden.harness import Case, Comparison, Unsupported, compare_gradient, compare_output, family


def leaves(case: Case) -> dict[str, Tensor]:
    """The reference's weights as leaves: the importer only renames and turns them, so that gradients arrive here, in
    the reference's own names and layout."""
    wanted = {key.removeprefix("input.") for key in case.prefix("grad.")}
    return {k: v.clone().requires_grad_(k in wanted) for k, v in case.state().items()}


def gradients(
    case: Case, loss: Tensor, leaves: Mapping[str, Tensor], zero: Sequence[str] | frozenset[str] = ()
) -> Iterator[Comparison]:
    """Every stored gradient. zero: biases in front of an instance norm, whose gradient is rounding noise (rule 2)."""
    stored = {key: value for key, value in case.prefix("grad.").items()}
    found = torch.autograd.grad(loss, [leaves[key.removeprefix("input.")] for key in stored], allow_unused=True)
    for (key, reference), gradient in zip(stored.items(), found, strict=True):
        ours = torch.zeros_like(reference) if gradient is None else gradient
        yield compare_gradient(f"grad.{key}", ours, reference, atol=3e-4 if key in zero else None)


class Tapped(nn.Module):
    """A generator whose forward gives its output and the features at some taps."""

    def __init__(self, net: nn.Module, taps: Sequence[str]) -> None:
        super().__init__()
        self.net, self.taps = net, taps

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        return self.net(x), self.net.features(x, self.taps)  # type: ignore[operator]


def load(net: nn.Module, ours: Mapping[str, Tensor]) -> None:
    """As a user would, strictly."""
    net.load_state_dict({k: v.detach() for k, v in ours.items()}, strict=True)


@family("cyclegan.generator", "pix2pix.generator", "cut.generator")
def junyanz_generator(case: Case) -> Iterator[Comparison]:
    args, mode = case.info["args"], case.info.get("mode", "train")
    dropout = bool(args.get("use_dropout", False))
    if dropout and mode == "train":
        raise Unsupported("dropout in training mode draws random numbers")
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    padding = args.get("padding_type", "reflect")
    fragment, ours = junyanz.generator(
        state, padding="replicate" if padding == "replicate" else "reflect", dropout=dropout
    )
    net = assemble("generator", fragment, args["input_nc"], args["output_nc"]).train(mode == "train")
    load(net, ours)
    stored = case.prefix("output.feat.")
    taps = [tap(int(i), fragment) for i in stored]
    y, features = functional_call(Tapped(net, taps), {f"net.{k}": v for k, v in ours.items()}, x)
    yield compare_output("y", y, case["output.y"])
    for (i, reference), feature in zip(stored.items(), features, strict=True):
        yield compare_output(f"feat.{i}", feature, reference)
    weight = case["input.loss_weight"] if "input.loss_weight" in case else torch.ones_like(y)
    biases = frozenset(k for k in state if k.endswith(".bias") and fragment["norm"]["type"] == "instance")
    yield from gradients(case, (y * weight).mean(), {**state, "x": x}, biases)


def tap(index: int, fragment: Mapping) -> str:
    """The name of the features that their Sequential has at an index."""
    if fragment["down"] == "antialiased":
        names, first = {0: "input", 3: "stem", 4: "down1.conv", 7: "down1", 8: "down2.conv", 11: "down2"}, 12
    else:  # the ReLUs are in place: what a norm gave is gone by the time that it is used
        names = {
            0: "input",
            3: "stem",
            4: "down1.conv",
            5: "down1",
            6: "down1",
            7: "down2.conv",
            8: "down2",
            9: "down2",
        }
        first = 10
    names |= {first + i: f"block{i + 1}" for i in range(fragment["blocks"])}
    if index not in names:
        raise Unsupported(f"features at layer {index}")
    return names[index]


@family("ugatit.generator")
def ugatit_generator(case: Case) -> Iterator[Comparison]:
    args = case.info["args"]
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    fragment, ours = ugatit.generator(state)
    net = assemble("generator", fragment, args["input_nc"], args["output_nc"])
    load(net, ours)
    translated, (attended,) = functional_call(Tapped(net, ["attention"]), {f"net.{k}": v for k, v in ours.items()}, x)
    heatmap = net.attention.heatmap(attended)  # type: ignore[operator, union-attr]
    outputs = {"image": translated.image, "cam_logit": translated.logits, "heatmap": heatmap}
    for name, value in outputs.items():
        yield compare_output(name, value, case[f"output.{name}"])
    loss = torch.stack([(value * case[f"input.ct_{name}"]).sum() for name, value in outputs.items()]).sum()
    yield from gradients(case, loss, {**state, "x": x})


@family("ugatit.adalin", "ugatit.iln")
def layer_instance_norm(case: Case) -> Iterator[Comparison]:
    """One norm alone; its parameters differ from ours in shape only."""
    args = case.info["args"]
    state = {k: v.clone().requires_grad_() for k, v in case.state().items()}
    inputs = {k: case[f"input.{k}"].clone().requires_grad_() for k in ("x", "gamma", "beta") if f"input.{k}" in case}
    norm = (AdaLIN if "gamma" in inputs else LIN)(args["num_features"], eps=args.get("eps", 1e-5))
    ours = {k: v.flatten() for k, v in state.items()}
    load(norm, ours)
    y = functional_call(norm, ours, tuple(inputs.values()))
    yield compare_output("y", y, case["output.y"])
    yield from gradients(case, (y * case["input.ct_y"]).sum(), {**state, **inputs})
