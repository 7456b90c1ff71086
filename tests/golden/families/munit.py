"""MUNIT's norms, networks and a training step, against the authors' code (numbers alone: see the index)."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn
from torch.func import functional_call

from gankit.interop import munit
from gankit.losses.adversarial import LSGAN, Vanilla
from gankit.losses.reconstruction import L1, Cycle, Identity
from gankit.methods.base import tensor
from gankit.methods.munit import MUNIT
from gankit.methods.plan import Term, plan_turns
from gankit.norms.adain import AdaIN
from gankit.norms.munit_layer import MUNITLayerNorm
from gankit.optimizers.gradient import Adam
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.golden.assemble import assemble
from tests.golden.families.discriminators import gradients as critic_gradients
from tests.golden.families.discriminators import leaves as critic_leaves
from tests.golden.families.generators import gradients, leaves, load
from tests.golden.families.trajectories import LOSSES, Importer, Networks, State, final_weight
from tests.golden.harness import Case, Comparison, Unsupported, compare, compare_gradient, compare_output, family

CANCELLED = 3e-4
"""Absolute bound of what a bias in front of an instance norm gets: rounding, and Adam's steps along it (rule 2)."""
GAN_TYPES: dict[str, type[nn.Module]] = {"lsgan": LSGAN, "nsgan": Vanilla}
ACTIVATIONS = {"relu": "relu", "lrelu": "leaky_relu", "selu": "selu", "tanh": "tanh"}


@family("munit.norms")
def norms(case: Case) -> Iterator[Comparison]:
    if "input.ln.x" in case:
        state = {k: v.clone().requires_grad_() for k, v in case.state("ln").items()}
        x = case["input.ln.x"].clone().requires_grad_()
        norm = MUNITLayerNorm(x.shape[1])
        load(norm, state)
        y = functional_call(norm, state, x)
        yield compare_output("ln.y", y, case["output.ln.y"])
        if "output.ln.y_batch1" in case:
            yield compare_output("ln.y_batch1", functional_call(norm, state, x[:1]), case["output.ln.y_batch1"])
        yield from _norm_gradients(case, "ln", y, {**state, "x": x})
    if "input.adain.x" in case:
        given = {k: case[f"input.adain.{k}"].clone().requires_grad_() for k in ("x", "weight", "bias")}
        y = AdaIN(given["x"].shape[1])(given["x"], given["weight"], given["bias"])
        yield compare_output("adain.y", y, case["output.adain.y"])
        yield from _norm_gradients(case, "adain", y, given)


def _norm_gradients(case: Case, name: str, y: Tensor, at: Mapping[str, Tensor]) -> Iterator[Comparison]:
    stored = case.prefix(f"grad.{name}.")
    loss = (y * case[f"input.{name}.cotangent"]).sum()
    for key, gradient in zip(stored, torch.autograd.grad(loss, [at[key] for key in stored]), strict=True):
        yield compare_gradient(f"grad.{name}.{key}", gradient, stored[key])


def generator_of(state: State, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The importer, with what weights do not tell."""
    if params.get("activ", "relu") not in ACTIVATIONS:
        raise Unsupported(f"activ {params['activ']}")
    fragment, ours = munit.generator(state)
    more = {"padding": params.get("pad_type", "reflect"), "activation": ACTIVATIONS[params.get("activ", "relu")]}
    return fragment | more, ours


def critic_of(state: State, params: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    if params.get("activ", "lrelu") != "lrelu" or params.get("norm", "none") != "none":
        raise Unsupported(f"a critic with activ {params.get('activ')} and norm {params.get('norm')}")
    fragment, ours = munit.discriminator(state)
    critic = fragment["discriminator"] | {"padding": params.get("pad_type", "reflect")}
    return fragment | {"discriminator": critic}, ours


def cancelled(key: str) -> bool:
    """Whether this is a bias in front of an instance norm, by the reference's name or ours."""
    theirs = key.startswith(("enc_content.", "dec.model.0.")) and key.endswith("conv.bias")
    ours = key.startswith(("content.", "content_blocks.", "blocks.")) and key.endswith("conv.bias")
    return theirs or ours


class Parts(nn.Module):
    """Everything that a generator's case stores of a picture and a style."""

    def __init__(self, net: Any) -> None:
        super().__init__()
        self.net = net

    def forward(self, x: Tensor, s: Tensor) -> dict[str, Tensor]:
        content, style = self.net.encode_content(x), self.net.encode_style(x)
        return {
            "content": content,
            "style": style[:, :, None, None],
            "recon": self.net.decode(content, style),
            "translated": self.net.decode(content, s.flatten(1)),
            "adain_params": self.net.affine(s.flatten(1)).flatten(1),
            "forward": self.net(x),
        }


@family("munit.generator")
def generator(case: Case) -> Iterator[Comparison]:
    state = leaves(case)
    x, s = (case[f"input.{name}"].clone().requires_grad_() for name in ("x", "s"))
    fragment, ours = generator_of(state, case.info.get("params", {}))
    net = assemble("generator", fragment, x.shape[1], x.shape[1])
    load(net, ours)
    made = functional_call(Parts(net), {f"net.{k}": v for k, v in ours.items()}, (x, s))
    for name in ("content", "style", "recon", "translated", "adain_params"):
        if f"output.{name}" in case:
            yield compare_output(name, made[name], case[f"output.{name}"])
    if "output.recon" in case:
        yield compare_output("forward", made["forward"], case["output.recon"])
    cotangents = case.prefix("input.cotangent.")
    loss = torch.stack([(made[name] * cotangent).sum() for name, cotangent in cotangents.items()]).sum()
    if "output.loss" in case:  # a sum of terms of both signs: its error is measured by theirs
        size = sum(float((made[name] * cotangent).detach().abs().sum()) for name, cotangent in cotangents.items())
        yield compare("loss", loss, case["output.loss"], rtol=1e-4, atol=1e-6 * size)
    zero = frozenset(key for key in state if cancelled(key))
    yield from gradients(case, loss, {**state, "x": x, "s": s}, zero)


@family("munit.discriminator")
def discriminator(case: Case) -> Iterator[Comparison]:
    state = critic_leaves(case)
    fake = case["input.fake"].clone().requires_grad_()
    fragment, ours = critic_of(state, case.info.get("params", {}))
    net = assemble("discriminator", fragment, fake.shape[1])
    load(net, ours)
    judged = functional_call(net, ours, fake)
    real = functional_call(net, ours, case["input.real"])
    for i, logits in enumerate(judged):
        yield compare_output(f"fake_scale{i}", logits, case[f"output.fake_scale{i}"])
    detached = functional_call(net, ours, fake.detach())
    for mode in dict.fromkeys(k.split(".")[0] for k in case.prefix("output.") if not k.startswith("fake_scale")):
        if mode not in GAN_TYPES:
            raise Unsupported(f"gan_type {mode}")
        loss: Any = GAN_TYPES[mode](halve=False)
        players = {"dis": loss.discriminator(real, detached), "gen": loss(judged)}
        for player, value in players.items():
            yield compare_output(f"{mode}.{player}_loss", value, case[f"output.{mode}.{player}_loss"])
        yield from critic_gradients(case, f"grad.{mode}.dis.", players["dis"], fake, state)
        stored = case.prefix(f"grad.{mode}.gen.")
        (gradient,) = torch.autograd.grad(players["gen"], fake, retain_graph=True)
        yield compare_gradient(f"grad.{mode}.gen.fake", gradient, stored["fake"])


class Given(MUNIT):
    """MUNIT with the styles that the reference drew, turn after turn."""

    codes: dict[str, list[Tensor]]
    pictures: dict[str, Tensor]

    @tensor
    def style(self, source: Tensor) -> Tensor:
        towards = "b" if torch.equal(source, self.pictures["a"]) else "a"
        return self.codes[towards].pop(0)


@family("munit.step")
def step(case: Case) -> Iterator[Comparison]:
    """One step of the critics, one of the generators, in double precision (see the trajectories)."""
    hyper = case.info["hyperparameters"]
    if hyper.get("vgg_w", 0):
        raise Unsupported("the VGG loss: its weights are not stored")
    nets, method = _method(case, hyper)
    method.pictures = {d: case[f"input.x_{d}"].double() for d in "ab"}
    codes = {d: [case[f"input.{turn}.s_{d}"].double().flatten(1) for turn in ("dis", "gen")] for d in "ab"}
    method.codes = {d: list(own) for d, own in codes.items()}
    terms = {
        "gan": Term(GAN_TYPES[hyper["dis"]["gan_type"]](halve=False), weight=hyper["gan_w"]),
        "recon_x": Term(Identity(), weight=hyper["recon_x_w"]),
        "recon_s": Term(L1(), weight=hyper["recon_s_w"], on={"output": "output_style", "target": "style"}),
        "recon_c": Term(L1(), weight=hyper["recon_c_w"], on={"output": "output_content", "target": "content"}),
        "cycrecon_x": Term(Cycle(), weight=hyper["recon_x_cyc_w"]),
    }
    betas = (hyper["beta1"], hyper["beta2"])
    optimizer = partial(Adam, lr=hyper["lr"], betas=betas, weight_decay=hyper["weight_decay"])
    stepper = Stepper(method, terms, optimizer, pool_size=0, devices=Devices(torch.device("cpu")))
    before = copy.deepcopy(method)
    losses = stepper.step(method.pictures)
    if any(method.codes.values()):
        raise Unsupported("a style was not used")
    yield from _losses(case, losses, hyper)
    moved = {f"{net}.{name}": p.grad.clone() for net, name, p in _parameters(nets, method) if p.grad is not None}
    _add_generators_share(before, method, terms, {d: own[1] for d, own in codes.items()})
    for net in nets.states:
        turn = "gen_step" if net.startswith("gen") else "dis_step"
        stored = case.prefix(f"grad.{turn}.{net}.")
        yield from nets.compare(method, net, stored, partial(_judged, compare_gradient), gradients=True)
        after = case.prefix(f"output.after.{net}.")
        yield from nets.compare(method, net, after, partial(_after, moved, hyper["lr"]))


def _parameters(nets: Networks, method: MUNIT) -> Iterator[tuple[str, str, Tensor]]:
    for net in nets.states:
        yield from ((net, name, p) for name, p in method.networks[nets.places[net]].named_parameters())


def _add_generators_share(before: Given, after: Given, terms: Mapping[str, Term], codes: dict[str, Tensor]) -> None:
    """The critics' stored gradients were read after the generators' turn, whose backward adds to them; ours does not.

    before, after: the method before and after the step; codes: of the generators' turn.
    """
    before.codes = {d: [code] for d, code in codes.items()}
    critics = {key: network for key, network in after.networks.items() if key.startswith("discriminator")}
    for key, network in critics.items():
        before.networks[key].load_state_dict(network.state_dict())
    module = next(turn for turn in plan_turns(before, terms) if turn.turn.side == "generator")
    before.zero_grad()
    torch.stack(list(module(before.pictures, {})[0].values())).sum().backward()
    for key, network in critics.items():
        for ours, more in zip(network.parameters(), before.networks[key].parameters(), strict=True):
            assert ours.grad is not None and more.grad is not None
            ours.grad += more.grad


def _method(case: Case, hyper: Mapping[str, Any]) -> tuple[Networks, Given]:
    states = {net: case.state(net) for net in ("gen_a", "gen_b", "dis_a", "dis_b")}
    importers: dict[str, Importer] = {
        net: partial(generator_of, params=hyper["gen"])
        if net.startswith("gen")
        else partial(critic_of, params=hyper["dis"])
        for net in states
    }
    nets = Networks(states, importers)
    channels = (hyper.get("input_dim_a", 3), hyper.get("input_dim_b", 3))
    kinds = {"gen": "generator", "dis": "discriminator"}
    generator, critic = (nets.factory(kind, f"{net}_a") for net, kind in kinds.items())
    method = Given(generator, critic, *channels)
    places = {f"{net}_{d}": f"{kind}_{munit.DIRECTIONS[d]}" for net, kind in kinds.items() for d in "ab"}
    nets.load(method, places)
    return nets, method


def _losses(case: Case, losses: Mapping[str, float], hyper: Mapping[str, Any]) -> Iterator[Comparison]:
    """The reference's losses without their weights, by its names; ours carry the weights."""
    towards = {"a": "b2a", "b": "a2b"}
    # Its recon_c_a and cycrecon_x_a are of what a becomes and comes back as: our a2b. adv_a, recon_x_a and recon_s_a
    # are of what gen_a makes: our b2a.
    theirs = {f"loss_dis_{d}": ("discriminator/gan", towards[d], hyper["gan_w"]) for d in "ab"}
    theirs |= {f"loss_gen_adv_{d}": ("generator/gan", towards[d], hyper["gan_w"]) for d in "ab"}
    for name, switched in {"recon_x": False, "recon_s": False, "recon_c": True, "cycrecon_x": True}.items():
        weight = hyper["recon_x_cyc_w" if name == "cycrecon_x" else f"{name}_w"]
        for d, other in (("a", "b"), ("b", "a")):
            theirs[f"loss_gen_{name}_{d}"] = (f"generator/{name}", towards[other if switched else d], weight)
    for name, (term, direction, weight) in theirs.items():
        if weight and f"output.{name}" in case:
            ours = torch.tensor(losses[f"{term}/{direction}"] / weight)
            yield compare(name, ours, case[f"output.{name}"], rtol=LOSSES, atol=1e-6)
    totals = {"loss_dis_total": "discriminator/", "loss_gen_total": "generator/"}
    for name, start in totals.items():
        total = sum(value for key, value in losses.items() if key.startswith(start))
        yield compare(name, torch.tensor(total), case[f"output.{name}"], rtol=LOSSES)


def _judged(judge: Any, name: str, ours: Tensor, theirs: Tensor) -> Comparison:
    if cancelled(name.partition(".")[2]):
        return compare(name, ours, theirs, atol=CANCELLED)
    return judge(name, ours, theirs)


def _after(gradients: Mapping[str, Tensor], lr: float, name: str, ours: Tensor, theirs: Tensor) -> Comparison:
    """Weights after the step. Elements without a gradient (behind a unit that is off) move by rounding, as rule 2's."""
    gradient = gradients.get(name)
    if gradient is not None:
        noise = (gradient.abs() < 1e-7 * gradient.abs().max()) & ((ours - theirs).abs() < CANCELLED)
        ours = torch.where(noise, theirs.to(ours), ours)
    return _judged(final_weight(lr), name, ours, theirs)
