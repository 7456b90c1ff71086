"""Whole training steps of ours, from recipes: what `step/` times, and `peers.py` beside those of other projects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor

from gankit.training.assemble import assemble, make_stepper
from gankit.training.devices import Devices
from gankit.training.step import Stepper

VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {"precision": "fp32"},
    "bf16": {"precision": "bf16"},
}
"""What `train` is set to."""


def make(recipe: str, variant: str, channels: int, device: torch.device, batch: int = 1) -> Stepper:
    """The stepper of a shipped recipe, at this width. Raises RecipeError where this variant cannot be."""
    settings = [f"train.{key}={json.dumps(value)}" for key, value in VARIANTS[variant].items()]
    settings += [f"method.{network}.channels={channels}" for network in ("generator", "discriminator")]
    torch.manual_seed(0)
    parts = assemble(recipe, [*settings, f"train.batch_size={batch}"])
    return make_stepper(parts, Devices.open(device.type, parts.recipe.train.precision))


def make_batch(batch: int, size: int, device: torch.device) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {field: torch.rand(batch, 3, size, size).mul_(2).sub_(1).to(device) for field in "ab"}


def step_of(stepper: Stepper, batch: Mapping[str, Tensor]) -> Callable[[], dict[str, float]]:
    return lambda: stepper.step(batch)
