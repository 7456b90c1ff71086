"""CycleGAN's step in plain torch, as its paper and code describe it, and ours, in turns; where no checkout is at hand.

    python -m benchmarks.plain_step --size 128 --threads 2
    ATEN_CPU_CAPABILITY=avx2 ONEDNN_MAX_CPU_ISA=AVX2 python -m benchmarks.plain_step  # as without AVX-512

`--profile` tells what both spend their time on.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Mapping
from itertools import chain
from statistics import median
from time import perf_counter

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from benchmarks import steps


class Residual(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        layers = [[nn.ReflectionPad2d(1), nn.Conv2d(channels, channels, 3), nn.InstanceNorm2d(channels)] for _ in "ab"]
        self.layers = nn.Sequential(*layers[0], nn.ReLU(True), *layers[1])

    def forward(self, x: Tensor) -> Tensor:
        return x + self.layers(x)


def generator(width: int) -> nn.Module:
    """Nine blocks, two halvings."""
    layers: list[nn.Module] = [nn.ReflectionPad2d(3), *unit(nn.Conv2d(3, width, 7), nn.ReLU(True))]
    for wide in (width, 2 * width):
        layers += unit(nn.Conv2d(wide, 2 * wide, 3, 2, 1), nn.ReLU(True))
    layers += [Residual(4 * width) for _ in range(9)]
    for wide in (4 * width, 2 * width):
        layers += unit(nn.ConvTranspose2d(wide, wide // 2, 3, 2, 1, 1), nn.ReLU(True))
    return nn.Sequential(*layers, nn.ReflectionPad2d(3), nn.Conv2d(width, 3, 7), nn.Tanh())


def critic(width: int) -> nn.Module:
    """Patches of 70 px."""
    layers: list[nn.Module] = [nn.Conv2d(3, width, 4, 2, 1), nn.LeakyReLU(0.2, True)]
    for wide, stride in ((width, 2), (2 * width, 2), (4 * width, 1)):
        layers += unit(nn.Conv2d(wide, 2 * wide, 4, stride, 1), nn.LeakyReLU(0.2, True))
    return nn.Sequential(*layers, nn.Conv2d(8 * width, 1, 4, 1, 1))


def unit(conv: nn.Conv2d | nn.ConvTranspose2d, activation: nn.Module) -> list[nn.Module]:
    return [conv, nn.InstanceNorm2d(conv.out_channels), activation]


def plain(width: int, batch: Mapping[str, Tensor]) -> Callable[[], None]:
    """One step of both players: cycle 10, identity 5, least squares, Adam."""
    to_b, to_a, critic_b, critic_a = generator(width), generator(width), critic(width), critic(width)
    for module in chain(*(network.modules() for network in (to_b, to_a, critic_b, critic_a))):
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            nn.init.normal_(module.weight, 0, 0.02)
    players = [list(chain(*(n.parameters() for n in pair))) for pair in ((to_b, to_a), (critic_b, critic_a))]
    first, second = (torch.optim.Adam(parameters, 2e-4, (0.5, 0.999)) for parameters in players)
    a, b = batch["a"], batch["b"]

    def loss(logits: Tensor, target: float) -> Tensor:
        return F.mse_loss(logits, torch.full_like(logits, target))

    def step() -> None:
        fake_b, fake_a = to_b(a), to_a(b)
        cycle = F.l1_loss(to_a(fake_b), a) + F.l1_loss(to_b(fake_a), b)
        identity = F.l1_loss(to_b(b), b) + F.l1_loss(to_a(a), a)
        for parameter in players[1]:
            parameter.requires_grad_(False)
        first.zero_grad()
        (loss(critic_b(fake_b), 1) + loss(critic_a(fake_a), 1) + 10 * cycle + 5 * identity).backward()
        first.step()
        for parameter in players[1]:
            parameter.requires_grad_(True)
        second.zero_grad()
        for network, real, fake in ((critic_b, b, fake_b), (critic_a, a, fake_a)):
            (0.5 * (loss(network(real), 1) + loss(network(fake.detach()), 0))).backward()
        second.step()

    return step


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    for name, value in {"size": 128, "width": 64, "rounds": 7, "threads": 2}.items():
        parser.add_argument(f"--{name}", type=int, default=value)
    parser.add_argument("--profile", action="store_true")
    options = parser.parse_args()
    torch.set_num_threads(options.threads)
    cpu = torch.device("cpu")
    batch = steps.make_batch(1, options.size, cpu)
    ours = steps.step_of(steps.make("cyclegan", "fp32", options.width, cpu), batch)
    calls = {"plain torch": plain(options.width, batch), "gankit": ours}
    for call in calls.values():
        call()
    if options.profile:
        for name, call in calls.items():
            with torch.profiler.profile() as profile:
                call()
            print(name, profile.key_averages().table(sort_by="self_cpu_time_total", row_limit=12), sep="\n")
        return
    print(
        torch.backends.cpu.get_cpu_capability(), f"{options.size} px, width {options.width}, {options.threads} threads"
    )
    rounds = []
    for _ in range(options.rounds):
        times = [perf_counter()]
        for call in calls.values():
            call()
            times.append(perf_counter())
        rounds.append((times[1] - times[0]) / (times[2] - times[1]))
        print(
            f"plain torch {times[1] - times[0]:.2f} s, gankit {times[2] - times[1]:.2f} s: {rounds[-1]:.2f}", flush=True
        )
    print(f"gankit is {median(rounds):.2f} times as fast ({min(rounds):.2f} to {max(rounds):.2f})")


if __name__ == "__main__":
    main()
