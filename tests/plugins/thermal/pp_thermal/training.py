"""What a training of temperatures is made with."""

from __future__ import annotations

from collections.abc import Iterable

import torch
from torch import Tensor

from gankit.augment import Augment, per_picture
from gankit.callbacks import Callback, Event
from gankit.slots import Position


class Lion(torch.optim.Optimizer):
    """The sign of a mean of gradients (arXiv 2302.06675)."""

    def __init__(self, params: Iterable[Tensor], *, lr: float = 1e-4, betas: tuple[float, float] = (0.9, 0.99)) -> None:
        super().__init__(params, {"lr": lr, "betas": betas})

    @staticmethod
    def state_bytes(parameters: Iterable[Tensor], **settings: object) -> int:
        return sum(p.numel() * p.element_size() for p in parameters)

    @torch.no_grad()
    def step(self, closure=None):
        for group in self.param_groups:
            now, then = group["betas"]
            for p in group["params"]:
                if p.grad is None:
                    continue
                mean = self.state[p].setdefault("mean", torch.zeros_like(p))
                p.sub_(torch.lerp(p.grad, mean, now).sign(), alpha=group["lr"])
                mean.lerp_(p.grad, 1 - then)


class Sawtooth:
    """Falls to a tenth within `period` epochs, and begins again; gankit's own."""

    def __init__(self, period: int = 2) -> None:
        self.period = period

    def __call__(self, position: Position) -> float:
        return 0.1 ** (position.epoch % self.period / self.period)


class Mirrored(Augment):
    """Half of the pictures mirrored. (N, C, H, W) -> the same shape. gankit's own."""

    def draw(self, count: int, device: torch.device) -> dict[str, Tensor]:
        return {"mirrored": torch.rand(count, device=device) < 0.5}

    def picture(self, x: Tensor, drawn: dict[str, Tensor]) -> Tensor:
        return torch.where(per_picture(drawn["mirrored"]), x.flip(-1), x)


class Ledger(Callback):
    """Writes step and sum of losses of each line into the run, and counts the lines, over resumes too. gankit's own."""

    def __init__(self, file: str = "ledger.txt") -> None:
        self.file, self.lines = file, 0

    def log(self, event: Event) -> None:
        self.lines += 1
        with open(event.run / self.file, "a") as file:
            file.write(f"{self.lines} {event.step} {sum(event.losses.values()):.4f}\n")

    def state_dict(self) -> dict[str, int]:
        return {"lines": self.lines}

    def load_state_dict(self, state: dict[str, int]) -> None:
        self.lines = state["lines"]
