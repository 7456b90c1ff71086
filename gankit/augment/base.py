"""The base of augments: random transforms of what critics see, real and fake alike."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence

import torch
from torch import Tensor, nn

from gankit.precision import without_autocast

Drawn = Mapping[str, Tensor]
"""What was drawn for the pictures of a batch: tensors (N, ...) by name."""
Total = Callable[[Sequence[Tensor]], None]
"""Replaces tensors by their sums over all processes."""


class Augment(nn.Module):
    """Base of augments. A subclass says what it draws and what it does with that; it does not know the size of pictures
    when it draws, so that all that a critic sees in one call goes through the same transform.

    All random numbers come from torch's global generator of the device, which each step seeds. Gradients go through,
    twice where penalties ask for them; `grid_sample` cannot do that, `gankit.augment.geometry` can. Nothing in it
    waits for the device, so that its steps can be compiled and recorded. An augment has no parameters that learn.

    forward: pictures (N, C, H, W) in [-1, 1] -> the same shape; in evaluation they stay as they are.
    """

    def draw(self, count: int, device: torch.device) -> Drawn:
        """The random numbers for `count` pictures."""
        raise NotImplementedError

    def picture(self, x: Tensor, drawn: Drawn) -> Tensor:
        """Pictures (N, C, H, W) -> the same shape and type."""
        raise NotImplementedError

    def mask(self, x: Tensor, drawn: Drawn) -> Tensor:
        """What stands beside a picture, place by place, and is none: masks and maps (N, C, H, W) of any type. They are
        moved as the picture is, and keep their values. Without an own form they stay as they are."""
        del drawn
        return x

    def adjust(self, step: int, total: Total) -> None:
        """Called after each step, on all processes, with its number from 0. What it changes is in its buffers."""

    def numbers(self) -> dict[str, float]:
        """What a line of the log shall tell of it."""
        return {}

    def forward(self, x: Tensor) -> Tensor:
        if not self.training:
            return x
        with without_autocast(x):
            return self.picture(x, self.draw(len(x), x.device))


def per_picture(values: Tensor) -> Tensor:
    """(N,) -> (N, 1, 1, 1)."""
    return values[:, None, None, None]
