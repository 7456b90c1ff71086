"""A step of pytorch/examples' dcgan, through gankit's networks, method and turns, in double precision.

See `trajectories` for why double. The noise is the file's instead of being drawn.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import partial

import torch
from torch import Tensor

from gankit.interop import dcgan
from gankit.losses.adversarial import Vanilla
from gankit.methods.base import tensor
from gankit.methods.gan import GAN
from gankit.optimizers.gradient import Adam
from gankit.training.devices import Devices
from gankit.training.step import Stepper
from tests.golden.families.trajectories import LOSSES, Networks, final_weight, observe
from tests.golden.harness import Case, Comparison, compare, compare_gradient, compare_output, family


class GivenNoise(GAN):
    """A GAN that is told its noise."""

    given: Tensor

    @tensor
    def noise(self, target: Tensor) -> Tensor:
        return self.given[: len(target)]


@family("dcgan.step")
def step(case: Case) -> Iterator[Comparison]:
    nets = Networks({net: case.state(f"{net}") for net in ("G", "D")}, {"G": dcgan.generator, "D": dcgan.discriminator})
    noise, real = case["input.noise"].double(), case["input.real"].double()
    method = GivenNoise(
        nets.factory("generator", "G"),
        nets.factory("discriminator", "D"),
        latent=noise.shape[1],
        channels_a=real.shape[1],
        init="default",
    )
    nets.load(method, {"G": "generator_a2b", "D": "discriminator_a2b"})
    method.given = noise
    args = case.info["args"]
    adam = partial(Adam, lr=args["lr"], betas=tuple(args["betas"]))
    stepper = Stepper(method, {"gan": Vanilla(halve=False)}, adam, pool_size=0, devices=Devices(torch.device("cpu")))
    batch = {"a": real}
    method.train()
    yield from forward(case, method, batch)
    fake = observe(method, batch, "output")
    losses = stepper.step(batch)
    yield compare("errD", *scalars(losses["discriminator/gan/a2b"], case["output.errD"]), rtol=LOSSES)
    yield compare("errG", *scalars(losses["generator/gan/a2b"], case["output.errG"]), rtol=LOSSES)
    critic = method.network("discriminator", "a2b")
    for net in ("G", "D"):
        yield from nets.compare(method, net, case.prefix(f"grad.{net}."), compare_gradient, gradients=True)
        yield from finals(nets, method, net, case.prefix(f"output.after.{net}."), args["lr"])
    after = {**case.prefix("output.eval.")}
    method.eval()
    with torch.no_grad():
        for name, ours in (
            ("D_real_after", lambda n: critic(real[:n]).sigmoid().flatten()),
            ("fake_after", lambda n: method.network("generator", "a2b")(noise[:n])),
        ):
            if name in after:
                yield compare_output(f"eval {name}", ours(len(after[name])), after[name])
        method.train()
        if "output.D_fake_2" in case:  # batch statistics: that the buffers have moved since does not matter
            yield compare_output("D_fake_2", critic(fake).sigmoid().flatten(), case["output.D_fake_2"])


def finals(nets: Networks, method: GAN, net: str, stored: Mapping[str, Tensor], lr: float) -> Iterator[Comparison]:
    """Weights and buffers after the step; the counters of batches, which are whole numbers, exactly."""
    counters = {key: value for key, value in stored.items() if not value.is_floating_point()}
    weights = {key: value for key, value in stored.items() if value.is_floating_point()}
    yield from nets.compare(method, net, weights, final_weight(lr))
    expected = nets.importers[net]({**nets.states[net], **counters})[1]
    marked = nets.importers[net]({**nets.states[net], **{key: value - 1 for key, value in counters.items()}})[1]
    ours = method.networks[nets.places[net]].state_dict()
    for name in ours:
        if not torch.equal(marked[name], expected[name]):
            yield compare(f"{net}.{name}", ours[name], expected[name])


def forward(case: Case, method: GAN, batch: Mapping[str, Tensor]) -> Iterator[Comparison]:
    """What the networks give before the step."""
    look = partial(observe, method, batch)
    fake, vanilla = look("output"), Vanilla(halve=False)
    stored = case["output.fake"]
    stride = fake.shape[-1] // stored.shape[-1]
    yield compare_output("fake", fake[..., ::stride, ::stride], stored)
    for name, logits, loss, error in (
        ("D_real", look("real_logits"), vanilla.on_real, "errD_real"),
        ("D_fake_1", look("fake_logits"), vanilla.on_fake, "errD_fake"),
    ):
        yield compare_output(name, logits.sigmoid().flatten(), case[f"output.{name}"])
        yield compare(error, *scalars(loss(logits), case[f"output.{error}"]), rtol=LOSSES)


def scalars(ours: Tensor | float, theirs: Tensor) -> tuple[Tensor, Tensor]:
    return torch.as_tensor(ours).reshape(1), theirs.reshape(1)
