"""Discriminators against the reference code of CycleGAN, U-GAT-IT and AGIT."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

import torch
from torch import Tensor
from torch.func import functional_call

from gankit.discriminators.patch import PatchDiscriminator
from gankit.discriminators.ugatit import UGATITDiscriminator
from gankit.interop import aggan as aggan_networks
from gankit.interop import junyanz
from gankit.interop import ugatit as ugatit_networks
from tests.golden.assemble import assemble
from tests.golden.harness import Case, Comparison, compare_gradient, compare_output, family


def leaves(case: Case) -> dict[str, Tensor]:
    """The reference's weights as leaves: gradients arrive in its own names and layout, through our importer."""
    floating = {k for k, v in case.state().items() if v.is_floating_point()}
    wanted = {k for k in floating if any(g == k or g.endswith(f".{k}") for g in case.prefix("grad."))}
    return {k: v.clone().requires_grad_(k in wanted) for k, v in case.state().items()}


def gradients(
    case: Case, prefix: str, loss: Tensor, x: Tensor, state: Mapping[str, Tensor], noise: set[str] | None = None
) -> Iterator[Comparison]:
    """Every stored gradient under `prefix`. noise: biases that an instance norm cancels; INDEX.md's rule 2."""
    stored = case.prefix(prefix)
    at = {name: x if name in ("x", "input.x") else state[name] for name in stored}
    found = torch.autograd.grad(loss, list(at.values()), allow_unused=True, retain_graph=True)
    for (name, leaf), gradient in zip(at.items(), found, strict=True):
        gradient = torch.zeros_like(leaf) if gradient is None else gradient
        atol = 3e-4 if name in (noise or ()) else None
        yield compare_gradient(prefix + name, gradient, stored[name], atol)


@family("cyclegan.discriminator", "cyclegan.pixel_discriminator")
def cyclegan(case: Case) -> Iterator[Comparison]:
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    fragment, ours = junyanz.discriminator(state)
    net = assemble("discriminator", fragment, x.shape[1])
    net.train(case.info.get("mode", "train") == "train")
    y = functional_call(net, ours, x, strict=True)
    yield compare_output("y", y, case["output.y"])
    loss = (y * case["input.loss_weight"]).mean()
    if "output.loss" in case:  # a mean of terms of both signs: its error is measured by theirs
        yield compare_output(
            "loss", torch.stack([loss, y.abs().max()]), torch.stack([case["output.loss"], case["output.y"].abs().max()])
        )
    instance = fragment["norm"]["type"] == "instance"
    ends = {min(state, key=layer), max(state, key=layer)}
    noise = {k for k in state if instance and k.endswith(".bias") and layer(k) not in {layer(e) for e in ends}}
    yield from gradients(case, "grad.", loss, x, state, noise)


def layer(key: str) -> int:
    return int(key.split(".")[-2])


@family("ugatit.discriminator")
def ugatit(case: Case) -> Iterator[Comparison]:
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    fragment, ours = ugatit_networks.discriminator(state)
    net = assemble("discriminator", fragment, x.shape[1])
    assert isinstance(net, UGATITDiscriminator)
    names = ("logit", "cam_logit", "heatmap")

    def judge() -> dict[str, Tensor]:
        (critique,) = functional_call(_Critiques(net), {f"net.{k}": v for k, v in ours.items()}, x, strict=True)
        return dict(zip(names, critique, strict=True))

    judged = judge()
    for name in names:
        yield compare_output(name, judged[name], case[f"output.{name}"])
    loss = torch.stack([(judged[name] * case[f"input.ct_{name}"]).sum() for name in names]).sum()
    yield from gradients(case, "grad.", loss, x, state)
    for key, stored in case.prefix("state_after.").items():  # u and v were updated in place
        yield compare_output(f"state_after.{key}", state[key], stored)
    net.eval()
    judged = judge()
    for key, stored in case.prefix("eval_output.").items():
        yield compare_output(f"eval_output.{key}", judged[key], stored)


class _Critiques(torch.nn.Module):
    def __init__(self, net: UGATITDiscriminator) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor) -> tuple[tuple[Tensor | None, ...], ...]:
        return self.net.critiques(x)


@family("agit.discriminator")
def agit(case: Case) -> Iterator[Comparison]:
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    fragment, ours = aggan_networks.discriminator(state)
    ours = {key: value.contiguous() for key, value in ours.items()}  # torch without oneDNN refuses the turned weights
    net = assemble("discriminator", fragment, x.shape[-1])
    assert isinstance(net, PatchDiscriminator)
    for prefix in dict.fromkeys(key.split(".")[0] for key in case.prefix("output.")):
        net.set_norm(not prefix.startswith("nonorm"))
        rate = 0.0 if prefix.endswith("_tr0") else case.info["args"]["transition_rate"]
        masked = x * (case["input.mask"] >= rate)
        y = channels_last(functional_call(net, ours, channels_first(masked), strict=True))
        yield compare_output(f"{prefix}.y", y, case[f"output.{prefix}.y"])
        loss = (y * case["input.ct_y"]).sum()
        yield from gradients(case, f"grad.{prefix}.", loss, x, state, cancelled(state) if net.norm_enabled else None)


def cancelled(state: Mapping[str, Tensor]) -> set[str]:
    """Biases of the convolutions in front of a norm: of all but the last."""
    biases = sorted(k for k in state if k.endswith("Conv/biases"))
    return set(biases[:-1])


def channels_first(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2)


def channels_last(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)
