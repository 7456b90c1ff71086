"""Whole training steps of ours, from recipes: what `step/` times, and `peers.py` beside those of other projects."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor

from benchmarks.measure import flops
from gankit.core.errors import GankitError
from gankit.precision import too_slow
from gankit.training.assemble import assemble, make_stepper
from gankit.training.devices import Devices
from gankit.training.step import Stepper

EAGER = {"compile": False, "cuda_graph": False, "channels_last": False, "join_calls": False}
VARIANTS: dict[str, dict[str, Any]] = {
    "fp32": {**EAGER, "precision": "fp32"},
    "fp32-graphed": {**EAGER, "precision": "fp32", "cuda_graph": True, "join_calls": True},
    "fp32-compiled": {**EAGER, "precision": "fp32", "compile": True},
    "bf16": {**EAGER, "precision": "bf16"},
    "bf16-nhwc": {**EAGER, "precision": "bf16", "channels_last": True},
    "bf16-compiled": {**EAGER, "precision": "bf16", "compile": True},
    "bf16-compiled-nhwc": {**EAGER, "precision": "bf16", "compile": True, "channels_last": True},
    "bf16-graphed": {**EAGER, "precision": "bf16", "cuda_graph": True, "join_calls": True},
    "bf16-graphed-nhwc": {**EAGER, "precision": "bf16", "cuda_graph": True, "join_calls": True, "channels_last": True},
    "bf16-compiled-graphed": {**EAGER, "precision": "bf16", "cuda_graph": True, "join_calls": True, "compile": True},
    "bf16-default": {"precision": "bf16"},
    "bf16-checkpointed": {**EAGER, "precision": "bf16", "checkpoint_activations": True},
}
"""What `train` is set to. `default`: what gankit chooses for the device and the batch."""
OF = {
    "cpu": ["fp32", "bf16", "bf16-nhwc", "bf16-compiled-nhwc"],
    "cuda": ["fp32", "fp32-graphed", "bf16", "bf16-graphed", "bf16-graphed-nhwc", "bf16-default"],
}
"""The variants that are timed where nobody says which."""


class Unfit(GankitError):
    """A step that cannot be taken here: this machine is too slow for it, or its project is not here."""


def dtype_of(variant: str) -> torch.dtype:
    """Of the matrix products."""
    return torch.bfloat16 if VARIANTS[variant]["precision"] == "bf16" else torch.float32


@cache
def flops_of(recipe: str, channels: int | None, batch: int, size: int) -> int:
    """Of one step, from an eager one on the CPU or GPU that is there."""
    device = torch.device("cuda" if torch.cuda.is_available() else "cpu")
    stepper, pictures = make(recipe, "fp32", channels, device, batch), make_batch(batch, size, device)
    return flops(lambda: stepper.step(pictures))


def make(recipe: str, variant: str, channels: int | None, device: torch.device, batch: int = 1) -> Stepper:
    """The stepper of a shipped recipe, at this width or its own.

    Raises RecipeError where this variant cannot be, Unfit where the machine is too slow for it.
    """
    if reason := too_slow(dtype_of(variant), device):
        raise Unfit(reason)
    settings = [f"train.{key}={json.dumps(value)}" for key, value in VARIANTS[variant].items()]
    if channels is not None:
        settings += [f"method.{network}.channels={channels}" for network in ("generator", "discriminator")]
    torch.manual_seed(0)
    parts = assemble(recipe, [*settings, f"train.batch_size={batch}"])
    return make_stepper(parts, Devices.open(device.type, parts.recipe.train.precision))


def make_batch(batch: int, size: int, device: torch.device) -> dict[str, Tensor]:
    torch.manual_seed(0)
    return {field: torch.rand(batch, 3, size, size).mul_(2).sub_(1).to(device) for field in "ab"}


def step_of(stepper: Stepper, batch: Mapping[str, Tensor]) -> Callable[[], dict[str, float]]:
    return lambda: stepper.step(batch)
