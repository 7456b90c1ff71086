"""Losses, the gradient penalty, the image pool and the schedule of the learning rate, against CycleGAN's code."""

from __future__ import annotations

import random
import re
from collections.abc import Iterator
from typing import Any

import torch
from torch import Tensor
from torch.func import functional_call

from gankit.interop.junyanz import discriminator
from gankit.losses.adversarial import LSGAN, WGAN, Adversarial, Labelled, Vanilla
from gankit.losses.penalties import GradientPenalty, input_gradient
from gankit.optimizers.decay import Linear
from gankit.slots import Position
from gankit.training.pool import ImagePool
from tests.golden.assemble import assemble
from tests.golden.harness import Case, Comparison, Unsupported, compare, compare_gradient, compare_output, family

MODES: dict[str, type[Adversarial]] = {"lsgan": LSGAN, "vanilla": Vanilla, "wgangp": WGAN, "wgan": WGAN}


@family("gan_loss")
def gan_loss(case: Case) -> Iterator[Comparison]:
    for key in (k for k in case.tensors if k.startswith(("output.", "grad."))):
        *mode, what = key.split(".")[1:]
        name = mode[0] if mode else case.info.get("args", {}).get("gan_mode", "lsgan")
        real, fake = (case[f"input.pred_{side}"].clone().requires_grad_() for side in ("real", "fake"))
        if name == "nonsaturating":  # CUT's: one number per picture
            pairs = zip(real, fake, strict=True)
            loss = torch.stack([term("vanilla", what, {}, *pair) for pair in pairs])
        else:
            loss = term(name, what, labels_of(case.info), real, fake)
        if key.startswith("output."):
            yield compare_output(key, loss, case[key])
        else:
            at = real if what == "d_real" else fake
            yield compare_gradient(key, torch.autograd.grad(loss.sum(), at)[0], case[key])


def labels_of(info: dict[str, Any]) -> dict[str, float]:
    args, labels = info.get("args", {}), info.get("labels", {})
    return {
        "real_label": labels.get("real", args.get("target_real_label", 1.0)),
        "fake_label": labels.get("fake", args.get("target_fake_label", 0.0)),
    }


def term(mode: str, what: str, labels: dict[str, float], real: Tensor, fake: Tensor) -> Tensor:
    """One of the numbers of the reference's GANLoss."""
    if mode not in MODES:
        raise Unsupported(f"gan_mode {mode}")
    loss = MODES[mode](**labels if issubclass(MODES[mode], Labelled) else {}, halve=what == "d_total_half")
    if what == "d_real":
        return loss.on_real(real)
    if what == "d_fake":
        return loss.on_fake(fake)
    if what == "g":
        return loss(fake)
    if what in ("d_total", "d_total_half"):
        return loss.discriminator(real, fake)
    raise Unsupported(f"output {what}")


@family("gradient_penalty")
def gradient_penalty(case: Case) -> Iterator[Comparison]:
    args = case.info.get("args", {})
    state = {k: v.clone() for k, v in case.state().items()}
    fragment, ours = discriminator(state)
    real, fake = case["input.real"], case["input.fake"]
    net = assemble("discriminator", fragment, real.shape[1])
    net.train(case.info.get("mode", "train") == "train")
    for key in (k for k in case.tensors if k.startswith("output.gp.")):
        mode = key.removeprefix("output.gp.")
        leaves = {k: v.requires_grad_() for k, v in state.items() if f"grad.{mode}.{k}" in case}
        penalty = GradientPenalty(args.get("constant", 1.0), mode)  # type: ignore[arg-type]
        points = penalty.points(real, fake, case.tensors.get("input.alpha"))
        critic = lambda x: functional_call(net, ours, x, strict=True)  # noqa: E731
        yield compare_output(f"gradients.{mode}", input_gradient(critic, points), case[f"output.gradients.{mode}"])
        loss = penalty(critic, real, fake, case.tensors.get("input.alpha")) * args.get("lambda_gp", 10.0)
        yield compare_output(key, loss, case[key])
        for name, gradient in zip(leaves, torch.autograd.grad(loss, list(leaves.values())), strict=True):
            yield compare_gradient(f"grad.{mode}.{name}", gradient, case[f"grad.{mode}.{name}"])


@family("image_pool")
def image_pool(case: Case) -> Iterator[Comparison]:
    seed = case.info.get("python_random_seed", case.info.get("seed", 0))
    pool = ImagePool(case.info["args"]["pool_size"], random.Random(seed))
    returned = []
    for batch in case["input.images"]:
        returned.append(pool.query(batch))
        restored = ImagePool(pool.size, pool.rng)
        restored.load_state_dict(pool.state_dict())  # a resume between any two queries changes nothing
        pool = restored
    yield compare("returned", torch.stack(returned), case["output.returned"])
    if "output.final_pool" in case and pool.entries:
        yield compare("final_pool", torch.stack([e for (e,) in pool.entries]), case["output.final_pool"])


RUN = re.compile(r"output\.lr_(\d+)_(\d+)(?:_resume_epoch_(\d+))?_step_at_epoch_(start|end)")


@family("lr_schedule")
def lr_schedule(case: Case) -> Iterator[Comparison]:
    """The keys name the run: epochs at the full rate, epochs of decay, the first epoch, when the scheduler stepped."""
    args = case.info.get("args", {})
    policy = args.get("lr_policy", case.info.get("cls", "linear").split()[-1])
    if policy != "linear":
        raise Unsupported(f"lr_policy {policy}")
    for key in (k for k in case.tensors if k.startswith("output.lr")):
        run = RUN.fullmatch(key)
        if not run:
            raise Unsupported(f"{key}: the run cannot be read from its name")
        full, decay, first = int(run[1]), int(run[2]), int(run[3] or 1)
        epochs = full + decay
        linear = Linear(decay_from=full / max(1, epochs), convention=f"epoch_{run[4]}")  # type: ignore[arg-type]
        positions = (Position(epoch, epoch, epochs, epochs) for epoch in range(first - 1, first - 1 + len(case[key])))
        rates = [args.get("lr", 2e-4) * linear(position) for position in positions]
        yield compare(key, torch.tensor(rates, dtype=torch.float64), case[key])
