"""Five defects, planted in a good component of each kind that takes tensors: `PLANTED[kind, defect]` is its class."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from gankit.slots import Attended


class Good(nn.Module):
    """Base: `touched` is what a defect does to the input on its way."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("count", torch.zeros(()))

    def touched(self, x: Tensor) -> Tensor:
        return x


class GoodGenerator(Good):
    size_multiple = min_size = 1
    offers: frozenset[str] = frozenset()

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.touched(x)).tanh()


class GoodDiscriminator(Good):
    min_size = 1

    def __init__(self, in_channels: int) -> None:
        super().__init__()
        self.conv = nn.Conv2d(in_channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.touched(x))


class GoodNorm(Good):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels
        self.weight = nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Any:
        return self.touched(x) * self.weight.to(x.dtype)[:, None, None]

    def extra_repr(self) -> str:
        return f"{self.channels}"


class GoodAttention(GoodNorm):
    has_map = has_logits = False

    def forward(self, x: Tensor) -> Attended:
        return Attended(super().forward(x))


class GoodLoss(Good):
    def forward(self, output: Tensor) -> Tensor:
        return self.touched(output).square().mean()


class GoodTwoSidedLoss(Good):
    def forward(self, fake_logits: Tensor | tuple[Tensor, ...]) -> Tensor:
        heads = fake_logits if isinstance(fake_logits, tuple) else (fake_logits,)
        return torch.stack([self.touched(head).square().mean() for head in heads]).sum()

    def discriminator(self, real_logits: Tensor, fake_logits: Tensor) -> Tensor:
        return self(real_logits) + self(fake_logits)


class Nothing:
    """No defect."""


class Touching:
    training: bool
    count: Tensor


class InPlace:
    """inputs_kept: it changes .* in place"""

    def touched(self, x: Tensor) -> Tensor:
        return x.mul_(0.5)


class TorchChance(Touching):
    """chance: in evaluation two equal calls differ: it draws from torch's generator"""

    def touched(self, x: Tensor) -> Tensor:
        return x if self.training else x * torch.rand((), device=x.device)


class PythonChance(Touching):
    """chance: in evaluation two equal calls differ: it draws from Python's `random`"""

    def touched(self, x: Tensor) -> Tensor:
        return x if self.training else x * random.random()


class NumPyChance(Touching):
    """chance: in evaluation two equal calls differ: it draws from NumPy's generator"""

    def touched(self, x: Tensor) -> Tensor:
        return x if self.training else x * float(np.random.rand())


class UnseededChance(Touching):
    """chance: in training two equal calls differ: it draws from a generator that is not torch's"""

    def touched(self, x: Tensor) -> Tensor:
        return x * random.SystemRandom().random() if self.training else x


class Remembers(Touching):
    """stateless: in training the same call .*gives another result after others"""

    calls = 0

    def touched(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * self.calls


class RemembersInEvaluation(Remembers):
    """stateless: in evaluation the same call .*gives another result after others"""

    def touched(self, x: Tensor) -> Tensor:
        return x if self.training else super().touched(x)


class CountsInEvaluation(Touching):
    """stateless: in evaluation a call .*changes `count`"""

    def touched(self, x: Tensor) -> Tensor:
        if not self.training:
            self.count += 1
        return x


class LooksAtMates(Touching):
    """batch_mates: depends on the others of its batch"""

    def touched(self, x: Tensor) -> Tensor:
        return x if self.training else x - x.mean(0, keepdim=True)


class MadeOnTheCPU:
    """device: planted.py:\\d+ takes a tensor \\(\\d+,\\) that lies on the CPU"""

    def touched(self, x: Tensor) -> Tensor:
        return x + torch.linspace(0, 1, x.shape[-1])


DEFECTS = (
    *(InPlace, TorchChance, PythonChance, NumPyChance, UnseededChance),
    *(Remembers, RemembersInEvaluation, CountsInEvaluation, LooksAtMates, MadeOnTheCPU),
)
GOOD: dict[str, type[Good]] = {
    "generator": GoodGenerator,
    "discriminator": GoodDiscriminator,
    "norm": GoodNorm,
    "attention": GoodAttention,
    "loss": GoodLoss,
    "loss of two sides": GoodTwoSidedLoss,
}


def plant(good: type[Good], defect: type) -> type:
    """A class of this module, so that it pickles."""
    name, words = f"{defect.__name__}{good.__name__}", "(N, C, H, W) -> what its kind gives. gankit's own."
    made = type(name, (defect, good), {"__doc__": words, "__module__": __name__})
    globals()[name] = made
    return made


PLANTED = {(kind, defect.__name__): plant(good, defect) for kind, good in GOOD.items() for defect in DEFECTS}
