"""Whole training steps: the reference's weights and pictures through gankit's own turns, pools and optimizers.

They run in double precision. GAN and Adam amplify rounding: an L1 or ReLU kink, or the sign of a gradient near zero,
decides by one unit in the last place, so that two correct float32 programs may part within a few steps. The stored
cases were chosen for a small distance between the reference's own float32 and float64 runs (`measured_drift`), which
is what a float64 run of ours then has to keep to. The float32 arithmetic of the networks is held by the other families.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import torch
from torch import Tensor, nn

from gankit.core.schema import Slot, build_component
from gankit.interop import aggan, junyanz, ugatit
from gankit.losses.adversarial import LSGAN, WGAN, Vanilla
from gankit.losses.cam import CAMLoss
from gankit.losses.reconstruction import L1, Cycle, Identity
from gankit.methods.attention_guided import AttentionGuided
from gankit.methods.base import Method
from gankit.methods.cyclegan import CycleGAN
from gankit.methods.paired import Paired
from gankit.methods.plan import Term
from gankit.methods.ugatit import UGATIT
from gankit.optimizers.gradient import Adam
from gankit.optimizers.tf_adam import TFAdam
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.golden.harness import Case, Comparison, Unsupported, compare, compare_gradient, compare_output, family
from tests.golden.tolerance import own_drift

State = Mapping[str, Tensor]
Importer = Callable[[State], tuple[dict[str, Any], dict[str, Tensor]]]
LOSSES = 1e-4  # of a trajectory's losses, and of pictures after the first step: the bound of the rules
WEIGHTS = 0.05  # a final weight may be off by this share of one step of Adam; one wrong step moves it by more


class Networks:
    """A method whose networks hold the reference's weights, and the way back from its keys to ours."""

    def __init__(self, states: Mapping[str, State], importers: Mapping[str, Importer]) -> None:
        self.states = states
        self.importers = importers
        self.fragments = {net: importers[net](state)[0] for net, state in states.items()}

    def factory(self, kind: str, net: str) -> Any:
        return build_component(Slot(kind).pick(self.fragments[net]))

    def load(self, method: Method, places: Mapping[str, str]) -> None:
        """places: the reference's net -> our network's key."""
        self.places = places
        for net, key in places.items():
            method.networks[key].load_state_dict(self.importers[net](self.states[net])[1])
        method.double()

    def compare(
        self, method: Method, net: str, stored: State, judge: Callable[..., Comparison], gradients: bool = False
    ) -> Iterator[Comparison]:
        """Hold stored tensors, under the reference's keys, against ours: through the importer, so that layouts agree.

        The importer is asked twice: with the stored values in place, and with NaN in place, which marks what they are.
        """
        state = {k: torch.zeros_like(v) for k, v in self.states[net].items()}
        unknown = [k for k in stored if k not in state]
        if unknown:
            raise Unsupported(f"{net} has no {unknown[0]}")
        expected = self.importers[net](state | dict(stored))[1]
        marked = self.importers[net](state | {k: torch.full_like(v, torch.nan) for k, v in stored.items()})[1]
        network = method.networks[self.places[net]]
        ours = {n: p.grad for n, p in network.named_parameters()} if gradients else network.state_dict()
        for name, mark in marked.items():
            if torch.is_floating_point(mark) and mark.isnan().any():
                value = ours[name]
                if value is None:
                    value = torch.zeros_like(expected[name])
                yield judge(f"{net}.{name}", value, expected[name])


def junyanz_networks(case: Case, nets: tuple[str, ...]) -> Networks:
    opt = case.info["opt"]
    if not opt.get("no_dropout", True):
        raise Unsupported("dropout is on: its draws cannot be replayed")
    importers: dict[str, Importer] = {
        net: partial(junyanz.generator, dropout=False) if net.startswith("G") else junyanz.discriminator for net in nets
    }
    return Networks({net: case.state(net) for net in nets}, importers)


GAN_MODES: dict[str, type[nn.Module]] = {"lsgan": LSGAN, "vanilla": Vanilla}


def adversarial(opt: Mapping[str, Any]) -> nn.Module:
    mode = opt["gan_mode"]
    if mode == "wgangp":
        return WGAN(halve=True)
    if mode not in GAN_MODES:
        raise Unsupported(f"gan_mode {mode}")
    return GAN_MODES[mode]()


def adam(opt: Mapping[str, Any]) -> partial[Adam]:
    return partial(Adam, lr=opt["lr"], betas=(opt["beta1"], 0.999))


def final_weight(lr: float) -> Callable[..., Comparison]:
    """A bound in shares of the learning rate, which is how far one step of Adam moves a weight."""
    return partial(compare, rtol=1e-4, atol=WEIGHTS * lr, kind="weight")


def at(case: Case, step: int, comparison: Comparison) -> Comparison:
    """The comparison as a value of a training, after so many updates: it is judged until rounding alone moves it.

    Its bound grows by how far the reference's own runs were apart, where the case says so.
    """
    return replace(comparison, bound=comparison.bound + own_drift(case.info, comparison, step), step=step)


@family("cyclegan.trajectory")
def cyclegan(case: Case) -> Iterator[Comparison]:
    opt = case.info["opt"]
    nets = junyanz_networks(case, ("G_A", "G_B", "D_A", "D_B"))
    channels = (opt["input_nc"], opt["output_nc"])
    method = CycleGAN(nets.factory("generator", "G_A"), nets.factory("discriminator", "D_A"), *channels, init="default")
    nets.load(
        method, {"G_A": "generator_a2b", "G_B": "generator_b2a", "D_A": "discriminator_a2b", "D_B": "discriminator_b2a"}
    )
    lambdas = {"a2b": opt["lambda_A"], "b2a": opt["lambda_B"]}
    identity = {"a2b": opt["lambda_B"] * opt["lambda_identity"], "b2a": opt["lambda_A"] * opt["lambda_identity"]}
    terms = {  # in the order of the reference's forwards, which batch norm's running statistics remember
        "cycle": Term(Cycle(), weight=lambdas),
        "gan": Term(adversarial(opt)),
        "identity": Term(Identity(), weight=identity),
    }
    stepper = Stepper(
        method, terms, adam(opt), pool_size=opt.get("pool_size", 50), devices=Devices(torch.device("cpu"))
    )
    random.seed(case.info.get("python_random_seed_before_step0", 0))
    names = {
        f"{name}_{letter}": f"{turn}/{term}/{direction}"
        for letter, direction in (("A", "a2b"), ("B", "b2a"))
        for name, turn, term in (
            ("D", "discriminator", "gan"),
            ("G", "generator", "gan"),
            ("cycle", "generator", "cycle"),
            ("idt", "generator", "identity"),
        )
    }
    stored = case["output.losses"]
    for step in range(len(stored)):
        batch = pair_of(case, step)
        wanted = case.prefix(f"output.step{step}.")
        for name, tensor in {"fake_B": "output", "rec_A": "reconstruction"}.items():
            if name in wanted:
                yield compare_picture(case, step, name, observe(method, batch, tensor), wanted[name])
        losses = stepper.step(batch)
        yield compare_losses(case, step, {n: losses.get(names[n], 0.0) for n in case.info["loss_names"]})
        if step == 0:
            for net in nets.states:
                gradients = {first_conv(k, nets.states[net]): v for k, v in case.prefix(f"grad.step0.{net}.").items()}
                yield from nets.compare(method, net, gradients, compare_gradient, gradients=True)
    yield from finals(case, nets, method, "output.final.", opt["lr"])


def compare_picture(case: Case, step: int, name: str, ours: Tensor, stored: Tensor) -> Comparison:
    """A picture of the forward: as any network's output before the first update, as a trajectory's value after it."""
    name = f"step {step} {name}"
    if step == 0:
        return compare_output(name, ours, stored)
    return at(case, step, compare(name, ours, stored, rtol=LOSSES, atol=LOSSES))


def compare_losses(case: Case, step: int, ours: Mapping[str, float]) -> Comparison:
    """The losses of a step by the reference's names. What its own run in double precision differs by is its rounding,
    not ours."""
    stored, named = case["output.losses"][step], case.info["loss_names"]
    if unknown := [name for name in named if name not in ours]:
        raise Unsupported(f"a loss named {unknown[0]}")
    own = torch.zeros_like(stored)
    if "output.losses_float64_run" in case:
        own = (case["output.losses_float64_run"][step] - stored).abs()
    found = torch.tensor([ours[name] for name in named], dtype=torch.float64)
    return at(case, step, compare(f"losses of step {step}", found, stored, rtol=LOSSES, atol=LOSSES + own))


def first_conv(key: str, state: State) -> str:
    """The reference's flat Sequential numbers its layers; the file names the first one in words."""
    weights = [k for k in state if k.endswith(".weight")]
    return min(weights, key=lambda k: int(k.split(".")[1])) if key == "first_conv.weight" else key


def finals(case: Case, nets: Networks, method: Method, prefix: str, lr: float) -> Iterator[Comparison]:
    for net in nets.states:
        for comparison in nets.compare(method, net, case.prefix(f"{prefix}{net}."), final_weight(lr)):
            yield at(case, len(case["output.losses"]), comparison)


def observe(method: Method, batch: Mapping[str, Tensor], name: str, direction: str = "a2b") -> Tensor:
    """A tensor of the forward, as the step would compute it, leaving no trace in the buffers."""
    from gankit.methods.resolve import compute

    buffers = {k: v.clone() for k, v in method.named_buffers()}
    with torch.no_grad():
        value = compute(method, direction, batch, [name])[name]
        for key, buffer in method.named_buffers():
            buffer.copy_(buffers[key])
    return value


@family("pix2pix.trajectory")
def pix2pix(case: Case) -> Iterator[Comparison]:
    opt = case.info["opt"]
    nets = junyanz_networks(case, ("G", "D"))
    channels = (opt["input_nc"], opt["output_nc"])
    method = Paired(nets.factory("generator", "G"), nets.factory("discriminator", "D"), *channels, init="default")
    nets.load(method, {"G": "generator_a2b", "D": "discriminator_a2b"})
    gan = adversarial(opt)
    terms = {"gan": Term(gan), "l1": Term(L1(), weight=opt["lambda_L1"])}
    stepper = Stepper(method, terms, adam(opt), pool_size=0, devices=Devices(torch.device("cpu")))
    stored = case["output.losses"]
    for step in range(len(stored)):
        batch = pair_of(case, step)
        if f"output.step{step}.fake_B" in case:
            yield compare_picture(
                case, step, "fake_B", observe(method, batch, "output"), case[f"output.step{step}.fake_B"]
            )
        judged = {}
        for name in ("real_logits", "fake_logits"):
            judged[name] = observe(method, batch, name)
        losses = stepper.step(batch)
        ours = {
            "G_GAN": losses["generator/gan/a2b"],
            "G_L1": losses["generator/l1/a2b"],
            "D_real": gan.on_real(judged["real_logits"]).item(),
            "D_fake": gan.on_fake(judged["fake_logits"]).item(),
        }
        yield critic_agrees(case, step, losses["discriminator/gan/a2b"], ours)
        yield compare_losses(case, step, ours)
    yield from finals(case, nets, method, "output.final.", opt["lr"])


def critic_agrees(case: Case, step: int, found: float, theirs: Mapping[str, float]) -> Comparison:
    """That what our critic is taught is the mean of the reference's two losses."""
    both = torch.tensor(0.5 * (theirs["D_real"] + theirs["D_fake"]))
    return at(case, step, compare(f"critic of step {step}", torch.tensor(found), both, rtol=1e-5, atol=1e-6))


def pair_of(case: Case, step: int) -> dict[str, Tensor]:
    """The pictures of a step: its own, or those that all steps share. The reference's real_A, our a, is its data set's
    B where its `direction` is BtoA."""
    direction = case.info["opt"].get("direction", "AtoB")
    if direction not in ("AtoB", "BtoA"):
        raise Unsupported(f"direction {direction}")
    own = {key: f"input.step{step}.{key}" for key in "AB"}
    pictures = {key: case[name if name in case else f"input.{key}"].double() for key, name in own.items()}
    return dict(zip("ab", (pictures[key] for key in ("AB" if direction == "AtoB" else "BA")), strict=True))


@family("ugatit.trajectory")
def ugatit_steps(case: Case) -> Iterator[Comparison]:
    args, hyper = case.info["args"], case.info["hyper"]
    states: dict[str, State] = {net: case.state(net) for net in ("genA2B", "genB2A")}
    states |= {f"dis{d}": {f"{s}.{k}": v for s in "GL" for k, v in case.state(f"dis{s}{d}").items()} for d in "AB"}
    importers: dict[str, Importer] = {n: ugatit.generator for n in ("genA2B", "genB2A")}
    importers |= {n: _both_critics for n in ("disA", "disB")}
    nets = Networks(states, importers)
    method = UGATIT(nets.factory("generator", "genA2B"), nets.factory("discriminator", "disB"))
    nets.load(
        method,
        {
            "genA2B": "generator_a2b",
            "genB2A": "generator_b2a",
            "disB": "discriminator_a2b",
            "disA": "discriminator_b2a",
        },
    )
    terms = {
        "gan": Term(LSGAN(halve=False), weight=hyper["adv"]),
        "cycle": Term(Cycle(), weight=hyper["cycle"]),
        "identity": Term(Identity(), weight=hyper["identity"]),
        "cam": Term(CAMLoss(), weight=hyper["cam"]),
    }
    optimizer = partial(Adam, lr=hyper["lr"], betas=tuple(hyper["betas"]), weight_decay=hyper["weight_decay"])
    stepper = Stepper(method, terms, optimizer, pool_size=0, devices=Devices(torch.device("cpu")))
    a, b = (case[f"input.{d}_u8"].double() / 127.5 - 1 for d in "AB")
    loss = case.prefix("output.loss.")
    for step, rate in enumerate(case["output.lr"].tolist()):
        stepper.set_rate(rate / hyper["lr"])
        batch = {"a": a[step % len(a)][None], "b": b[step % len(b)][None]}
        stored = case.prefix(f"output.step{step + 1}.")  # the reference counts its steps from 1
        if "fake_A2B" in stored:
            yield compare_picture(
                case, step, "fake_A2B", observe(method, batch, "output")[..., ::4, ::4], stored["fake_A2B"]
            )
        losses = stepper.step(batch)
        theirs = _sums_of_ugatit(loss, step, hyper)
        for key, value in theirs.items():
            ours = torch.tensor(losses[key])
            yield at(case, step, compare(f"{key} of step {step}", ours, value, rtol=LOSSES, atol=LOSSES))
    final = {net: case.prefix(f"final.{net}.") for net in ("genA2B", "genB2A")}
    final |= {
        f"dis{d}": {f"{s}.{k}": v for s in "GL" for k, v in case.prefix(f"final.dis{s}{d}.").items()} for d in "AB"
    }
    for net, stored in final.items():
        for comparison in nets.compare(method, net, stored, final_weight(hyper["lr"])):
            yield at(case, len(case["output.lr"]), comparison)
    assert args["iteration"] == len(case["output.lr"])


def _both_critics(state: State) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """The reference's global and local critic as gankit's one."""
    parts = [{k[2:]: v for k, v in state.items() if k.startswith(f"{s}.")} for s in "GL"]
    return ugatit.discriminator(*parts)


def _sums_of_ugatit(loss: State, step: int, hyper: Mapping[str, float]) -> dict[str, Tensor]:
    """The reference's 28 named losses of a step, summed to our terms. Its A (pictures of a) is our b2a."""
    theirs: dict[str, Tensor] = {}
    for letter, own, other in (("A", "b2a", "a2b"), ("B", "a2b", "b2a")):
        theirs[f"discriminator/gan/{own}"] = loss[f"D_loss_{letter}"][step]
        parts = [loss[f"G_ad_{cam}loss_{scale}{letter}"][step] for cam in ("", "cam_") for scale in "GL"]
        theirs[f"generator/gan/{own}"] = hyper["adv"] * torch.stack(parts).sum()
        theirs[f"generator/cam/{own}"] = hyper["cam"] * loss[f"G_cam_loss_{letter}"][step]
        theirs[f"generator/identity/{own}"] = hyper["identity"] * loss[f"G_identity_loss_{letter}"][step]
        theirs[f"generator/cycle/{other}"] = hyper["cycle"] * loss[f"G_recon_loss_{letter}"][step]
    return theirs


# -- AGIT ----------------------------------------------------------------------------------------------------------
PLACES = {
    "g_A": "generator_a2b", "g_B": "generator_b2a", "g_A_ae": "attention_net_a2b", "g_B_ae": "attention_net_b2a",
    "d_B": "discriminator_a2b", "d_A": "discriminator_b2a",
}  # fmt: skip


def agit_networks(case: Case) -> Networks:
    states = {net: case.prefix(f"state.Model/{net}/") for net in PLACES}
    importers: dict[str, Importer] = {"g_A": aggan.generator, "g_B": aggan.generator}
    importers |= {"g_A_ae": aggan.attention, "g_B_ae": aggan.attention}
    importers |= {"d_A": aggan.discriminator, "d_B": aggan.discriminator}
    return Networks(states, importers)


def agit_method(nets: Networks, switch: int, threshold: float) -> AttentionGuided:
    """The released code's way in everything."""
    method = AttentionGuided(
        nets.factory("generator", "g_A"),
        nets.factory("attention", "g_A_ae"),
        nets.factory("discriminator", "d_A"),
        whole_image_until_epoch=switch,
        threshold=threshold,
        masked_fake="composed",
        alternate=True,
        init="default",
    )
    nets.load(method, PLACES)
    return method


def agit_terms(lambda_a: float, lambda_b: float) -> dict[str, Term]:
    return {"gan": Term(LSGAN()), "cycle": Term(Cycle(), weight={"a2b": lambda_a, "b2a": lambda_b})}


def nchw(x: Tensor) -> Tensor:
    return x.permute(0, 3, 1, 2).contiguous()


def nhwc(x: Tensor) -> Tensor:
    return x.permute(0, 2, 3, 1)


@family("agit.trajectory")
def agit(case: Case) -> Iterator[Comparison]:
    args = case.info["args"]
    if args["epochs"] * args["iters_per_epoch"] > args["pool_size"] > 0:
        raise Unsupported("the pool overflows: its draws cannot be replayed")
    nets = agit_networks(case)
    method = agit_method(nets, args["switch"], args["threshold"])
    lr = args["base_lr"]
    stepper = Stepper(
        method,
        agit_terms(args["lambda_a"], args["lambda_b"]),
        partial(TFAdam, lr=lr, betas=(0.5, 0.999)),
        pool_size=args["pool_size"],
        devices=Devices(torch.device("cpu")),
    )
    a, b = (nchw(case[f"input.{d}_u8"]).double() / 127.5 - 1 for d in "AB")
    epochs, half = args["epochs"], args["epochs"] / 2
    for epoch in range(epochs):
        method.set_epoch(epoch)
        stepper.set_rate(1.0 if epoch < half else 1 - (epoch - half) / half)
        for step in range(epoch * args["iters_per_epoch"], (epoch + 1) * args["iters_per_epoch"]):
            losses = stepper.step({"a": a[step % args["nimg"]][None], "b": b[step % args["nimg"]][None]})
            yield from _agit_losses(case, step, losses)
    for net in nets.states:
        for comparison in nets.compare(method, net, case.prefix(f"final.Model/{net}/"), final_weight(lr)):
            yield at(case, epochs * args["iters_per_epoch"], comparison)


def _agit_losses(case: Case, step: int, losses: Mapping[str, float]) -> Iterator[Comparison]:
    """Each of the four moves of an iteration reports its own loss."""
    for name, turn in {
        "g_A": "generator_a2b",
        "d_B": "discriminator_a2b",
        "g_B": "generator_b2a",
        "d_A": "discriminator_b2a",
    }.items():
        ours = sum(value for key, value in losses.items() if key.startswith(f"{turn}/"))
        stored = case[f"output.{name}_loss"][step]
        yield at(
            case, step, compare(f"{name}_loss of step {step}", torch.tensor(ours), stored, rtol=LOSSES, atol=LOSSES)
        )


@family("agit.forward")
def agit_forward(case: Case) -> Iterator[Comparison]:
    """Every tensor of the forward, all losses and the generator's gradients, in both phases."""
    nets = agit_networks(case)
    method = agit_method(nets, 1, case.info["args"]["transition_rate_phase2"])
    batch = {"a": nchw(case["input.images_a"]).double(), "b": nchw(case["input.images_b"]).double()}
    names = {
        "mask_a": ("attention", "a2b"), "mask_b": ("attention", "b2a"),
        "fake_images_b": ("output", "a2b"), "fake_images_a": ("output", "b2a"),
        "fake_images_b_from_g": ("raw", "a2b"), "fake_images_a_from_g": ("raw", "b2a"),
        "cycle_images_a": ("reconstruction", "a2b"), "cycle_images_b": ("reconstruction", "b2a"),
    }  # fmt: skip
    for phase in (1, 2):
        method.set_epoch(phase - 1)
        stored = case.prefix(f"output.phase{phase}.")
        for name, (tensor, direction) in names.items():
            if name in stored:
                yield compare_output(
                    f"phase {phase} {name}", nhwc(observe(method, batch, tensor, direction)), stored[name]
                )
        yield from _agit_judgements(case, method, batch, phase)
        yield from _agit_objective(case, nets, method, batch, phase)


def _agit_judgements(
    case: Case, method: AttentionGuided, batch: Mapping[str, Tensor], phase: int
) -> Iterator[Comparison]:
    """The critics' maps on real, fake and pooled pictures, and the losses made of them."""
    stored, gan = case.prefix(f"output.phase{phase}."), LSGAN()
    for letter, own in (("a", "b2a"), ("b", "a2b")):  # pictures of a are judged in the direction that makes them
        critic = method.network("discriminator", own)
        mask = nchw(case[f"input.fake_pool_{letter}_mask"])[:, :1].double()
        pooled = nchw(case[f"input.fake_pool_{letter}"]).double()
        judged = {
            f"prob_real_{letter}_is_real": observe(method, batch, "real_logits", own),
            f"prob_fake_{letter}_is_real": observe(method, batch, "fake_logits", own),
            f"prob_fake_pool_{letter}_is_real": critic(method.visible(pooled, mask)).detach(),
        }
        for name, ours in judged.items():
            if name in stored:
                yield compare_output(f"phase {phase} {name}", nhwc(ours), stored[name])
        real, fake, old = judged.values()
        losses = {f"loss.lsgan_{letter}": gan(fake), f"loss.d_{letter.upper()}": gan.discriminator(real, old)}
        for name, ours in losses.items():
            yield compare(f"phase {phase} {name}", ours.reshape(1), stored[name], rtol=LOSSES)


def _agit_objective(
    case: Case, nets: Networks, method: AttentionGuided, batch: Mapping[str, Tensor], phase: int
) -> Iterator[Comparison]:
    """The generators' losses, and their gradients; attention's too, which the second phase would freeze."""
    from gankit.methods.plan import plan_turns

    stored = case.prefix(f"output.phase{phase}.loss.")
    method.requires_grad_(True)
    for module in plan_turns(method, agit_terms(10, 10)):
        if module.turn.side != "generator":
            continue
        method.zero_grad()
        losses, _ = module(batch, {})
        total = sum(losses.values(), torch.zeros(()))
        letter = "A" if module.turn.name == "generator_a2b" else "B"
        if f"g_{letter}" in stored:
            yield compare(f"phase {phase} loss.g_{letter}", total.reshape(1), stored[f"g_{letter}"], rtol=LOSSES)
        gradients = case.prefix(f"grad.phase{phase}.g_{letter}_loss.Model/")
        if gradients:
            total.backward()
        for net in nets.states:
            own = {k.removeprefix(f"{net}/"): v for k, v in gradients.items() if k.startswith(f"{net}/")}
            yield from nets.compare(method, net, own, compare_gradient, gradients=True)
    for direction, letter in (("a2b", "a"), ("b2a", "b")):
        cycle = Cycle()(observe(method, batch, "reconstruction", direction), batch[letter])
        yield compare(
            f"phase {phase} cycle_{letter}", cycle.reshape(1), stored[f"cycle_{letter}_unweighted"], rtol=LOSSES
        )
