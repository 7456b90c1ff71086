"""CUT and FastCUT, the plugin gankit-cut, against the reference code. The generator's family stands with the others."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gankit.interop import junyanz
from gankit.losses.adversarial import Adversarial, Vanilla
from gankit.methods.plan import Term
from gankit.norms.instance import InstanceNorm
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.golden.assemble import assemble
from tests.golden.families import trajectories
from tests.golden.families.discriminators import gradients, layer, leaves
from tests.golden.families.generators import tap
from tests.golden.families.trajectories import Importer, Networks, State, observe, pair_of
from tests.golden.harness import Case, Comparison, Unsupported, compare, compare_gradient, compare_output, family

try:
    import gankit_cut as _  # noqa: F401
except ImportError:  # not installed: as it stands in this repository
    sys.path.append(str(Path(__file__).parents[3] / "plugins" / "gankit-cut"))

from gankit_cut.loss import PatchNCE
from gankit_cut.method import CUT, turned
from gankit_cut.sampler import PatchSampler


@family("cut.discriminator")
def discriminator(case: Case) -> Iterator[Comparison]:
    state, x = leaves(case), case["input.x"].clone().requires_grad_()
    fragment, ours = junyanz.discriminator(state)
    net = assemble("discriminator", fragment, x.shape[1]).train(case.info.get("mode", "train") == "train")
    net.load_state_dict({k: v.detach() for k, v in ours.items()})
    y = functional_call(net, ours, x)
    yield compare_output("y", y, case["output.y"])
    weight = case["input.loss_weight"] if "input.loss_weight" in case else torch.ones_like(y)
    convs = [k for k in state if state[k].ndim == 4 and k.endswith(".weight")]
    ends = {layer(min(convs, key=layer)), layer(max(convs, key=layer))}
    noise = {k for k in state if k.endswith(".bias") and layer(k) not in ends}
    instance = fragment["norm"]["type"] == "instance"
    yield from gradients(case, "grad.", (y * weight).mean(), x, state, noise if instance else None)


def sampler(state: State) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The state dict of PatchSampleF, whose perceptrons are `mlp_0`, ..., under our names."""
    found = {k: re.fullmatch(r"mlp_(\d+)\.([02])\.(weight|bias)", k) for k in state}
    if unknown := [k for k, match in found.items() if match is None]:
        raise Unsupported(f"PatchSampleF has no {unknown[0]}")
    return {}, {f"heads.{match[1]}.{match[2]}.{match[3]}": state[k] for k, match in found.items() if match}


@family("cut.patch_sample")
def patch_sample(case: Case) -> Iterator[Comparison]:
    count = len(case.prefix("input.feat."))
    features = [case[f"input.feat.{i}"].clone().requires_grad_() for i in range(count)]
    places = [case[f"input.patch_ids.{i}"] for i in range(count)]
    channels = [x.shape[1] for x in features]
    heads = {"sample_no_mlp": PatchSampler(channels, None)}
    heads["sample"] = heads["sample_no_mlp"]
    if case.info["args"].get("use_mlp", True):
        heads["sample"] = PatchSampler(channels, case.info["args"]["nc"])
        heads["sample"].load_state_dict(sampler(case.state())[1])
    sampled = {name: head(features, places) for name, head in heads.items()}
    for name, vectors in sampled.items():
        for i, reference in case.prefix(f"output.{name}.").items():
            yield compare_output(f"{name}.{i}", vectors[int(i)].flatten(0, 1), reference)
    torch.stack([(x**3).sum() for x in sampled["sample"]]).sum().backward()
    for i, reference in case.prefix("grad.feat.").items():
        gradient = features[int(i)].grad
        assert gradient is not None
        yield compare_gradient(f"grad.feat.{i}", gradient, reference)


@family("cut.patchnce")
def patchnce(case: Case) -> Iterator[Comparison]:
    args = case.info["args"]
    query, key = (case[f"input.feat_{name}"].unflatten(0, (args["batch_size"], -1)) for name in "qk")
    for name, reference in case.prefix("output.loss_mean.").items():
        loss = PatchNCE(args["nce_T"], "batch" if name == "all_negatives" else "image")
        leaf, kept = query.clone().requires_grad_(), key.clone().requires_grad_()
        yield compare_output(f"loss.{name}", loss.of_each(leaf, kept).flatten(), case[f"output.loss.{name}"])
        mean = loss(leaf, kept)
        yield compare_output(f"loss_mean.{name}", mean, reference)
        mean.backward()
        assert leaf.grad is not None
        yield compare_gradient(f"grad.feat_q.{name}", leaf.grad.flatten(0, 1), case[f"grad.feat_q.{name}"])
        yield compare(f"no gradient to the keys.{name}", torch.tensor(float(kept.grad is not None)), torch.zeros(()))


class Replayed(CUT):
    """With the places and the coin that the file gives for each step, instead of drawn ones; and with a fault.

    The reference's run met a fault of torch: on a CPU, its instance norm gives wrong gradients for a batch of one
    whose gradient arrives with the channels last, as it does from the way in which the reference picks vectors. (Its
    own code, replayed, gives the stored losses to the bit, but not the derivative of its own loss; a batch of two is
    right, and so is a CUDA device for all that is known.) gankit's instance norm guards against it, and gankit-cut
    picks vectors in another way: tests/plugins/test_cut.py holds its gradient to finite differences. Here the guard is
    taken off and the layout brought back, so that all the rest of a step is compared.
    """

    coin = False
    ids: dict[str, tuple[Tensor, ...]]

    def take_off_the_guard(self) -> None:
        for module in self.modules():
            if isinstance(module, InstanceNorm):
                module._normed = partial(nn.InstanceNorm2d.forward, module)

    def asked(
        self, generator: Any, sampler: nn.Module, picture: Tensor, mirrored: bool, places: Sequence[Tensor]
    ) -> tuple[Tensor, ...]:
        features = [turned(tap.view_as(tap), mirrored) for tap in generator.features(picture, self.layers)]
        for feature in features:
            if feature.requires_grad:
                feature.register_hook(lambda gradient: gradient.contiguous(memory_format=torch.channels_last))
        return sampler(features, places)

    def mirrored(self, source: Tensor) -> bool:
        return self.coin

    def places(self, source_features: list[Tensor]) -> tuple[Tensor, ...]:
        return self.ids["X"]

    def identity_places(self, target_features: list[Tensor]) -> tuple[Tensor, ...]:
        return self.ids["Y"]

    def replay(self, case: Case, step: int, numbers: list[int]) -> None:
        self.coin = bool(case["input.flips"][step]) if "input.flips" in case else False
        stored = case.prefix(f"input.step{step}.patch_ids.")
        self.ids = {
            name: tuple(stored[f"{name}.layer{n}"] for n in numbers)
            for name in "XY"
            if f"{name}.layer{numbers[0]}" in stored
        }


for replaced in ("mirrored", "places", "identity_places"):
    getattr(Replayed, replaced).__offers_tensor__ = True


class Critic(nn.Module):
    """The critic's side alone: lambda_GAN weighs only the generator's."""

    turn = "discriminator"

    def __init__(self, loss: Adversarial) -> None:
        super().__init__()
        self.loss = loss

    def forward(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self.loss.discriminator(real_logits, fake_logits)


@family("cut.trajectory")
def trajectory(case: Case) -> Iterator[Comparison]:
    opt = case.info["opt"]
    nets = networks(case)
    numbers = [int(n) for n in str(opt["nce_layers"]).split(",")]
    method = Replayed(
        nets.factory("generator", "G"),
        nets.factory("discriminator", "D"),
        opt["input_nc"],
        opt["output_nc"],
        layers=[tap(n, nets.fragments["G"]) for n in numbers],
        embedding=opt["netF_nc"] if opt["netF"] == "mlp_sample" else None,
        flip_equivariance=opt["flip_equivariance"],
        init="default",
    )
    places = {"G": "generator_a2b", "F": "sampler_a2b", "D": "discriminator_a2b"}
    nets.load(method, {net: places[net] for net in nets.states})
    method.take_off_the_guard()
    gan = Vanilla() if opt["gan_mode"] == "nonsaturating" else trajectories.adversarial(opt)
    assert isinstance(gan, Adversarial)
    share = 0.5 if opt["nce_idt"] and opt["lambda_NCE"] else 1.0
    nce = PatchNCE(opt["nce_T"], "batch" if opt["nce_includes_all_negatives_from_minibatch"] else "image")
    identity = {"query": "identity_query", "key": "identity_key"}
    terms = {
        "gan": Term(gan, weight=opt["lambda_GAN"], turn="generator"),
        "critic": Term(Critic(gan)),
        "nce": Term(nce, weight=share * opt["lambda_NCE"]),
        "nce_y": Term(nce, weight=share * opt["lambda_NCE"] * opt["nce_idt"], on=identity),
    }
    adam = partial(trajectories.adam(opt), betas=(opt["beta1"], opt["beta2"]))
    stepper = Stepper(method, terms, adam, pool_size=0, devices=Devices(torch.device("cpu")))
    for step in range(len(case["output.losses"])):
        method.replay(case, step, numbers)
        batch = pair_of(case, step)
        if f"output.step{step}.fake_B" in case:
            fake = observe(method, batch, "judged")
            yield trajectories.compare_picture(case, step, "fake_B", fake, case[f"output.step{step}.fake_B"])
        judged = {name: observe(method, batch, name) for name in ("real_logits", "fake_logits")}
        losses = stepper.step(batch)
        ours = {
            "D_real": gan.on_real(judged["real_logits"]).item(),
            "D_fake": gan.on_fake(judged["fake_logits"]).item(),
            "G_GAN": losses.get("generator/gan/a2b", 0.0),
            "NCE": losses.get("generator/nce/a2b", 0.0) / share,
            "NCE_Y": losses.get("generator/nce_y/a2b", 0.0) / share,
            "G": sum(value for key, value in losses.items() if key.startswith("generator/")),
        }
        yield trajectories.critic_agrees(case, step, losses["discriminator/critic/a2b"], ours)
        yield trajectories.compare_losses(case, step, ours)
    yield from trajectories.finals(case, nets, method, "output.final.", opt["lr"])


def networks(case: Case) -> Networks:
    opt = case.info["opt"]
    if not opt.get("no_dropout", True):
        raise Unsupported("dropout is on: its draws cannot be replayed")
    if opt["netF"] not in ("mlp_sample", "sample"):
        raise Unsupported(f"netF {opt['netF']}")
    if opt["nce_idt"] and opt.get("normG") == "batch":
        raise Unsupported("a batch norm over source and target in one pass: gankit translates them one after the other")
    importers: dict[str, Importer] = {
        "G": partial(junyanz.generator, dropout=False),
        "F": sampler,
        "D": junyanz.discriminator,
    }
    return Networks({net: state for net in importers if (state := case.state(net))}, importers)
