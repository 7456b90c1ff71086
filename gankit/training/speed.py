"""What makes a step faster, or smaller, without changing what it computes: the options and their defaults."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any


@dataclass(frozen=True)
class Speed:
    """How a `Stepper` plays its turns. All off is plain eager torch, the form that the golden trainings prove.

    compile: each turn is a graph of torch.compile, backward included. A turn stays uncompiled while a term in it
        differentiates twice, and where the compiler fails, which is said once, see `gankit.training.compiled`.
    cuda_graph: forward and backward of each turn are recorded on a GPU and replayed, see `gankit.training.graphs`.
    channels_last: networks and pictures lie in memory as (N, H, W, C).
    join_calls: a network's calls on several pictures are one call on the joined batch where that is exact, see
        `gankit.methods.joined`.
    checkpoint_activations: networks keep only their inputs and compute the rest again for the backward pass, see
        `gankit.methods.checkpointed`.
    """

    compile: bool = False
    cuda_graph: bool = False
    channels_last: bool = False
    join_calls: bool = False
    checkpoint_activations: bool = False


@dataclass(frozen=True)
class Choice:
    """A default and what speaks for it."""

    value: bool
    why: str


BATCHES = (1, 16)
"""A small and a large batch, whose defaults stand for all."""
JOINED_UP_TO = 4
"""The batch from which on one call fills the GPU by itself."""


def choices(device: str, batch_size: int) -> dict[str, Choice]:
    """The defaults of a device's type, with their reasons: whether a figure was measured or is predicted."""
    if device != "cuda":
        return {
            "compile": Choice(False, "1.1 times as fast in bf16 measured on a CPU, after minutes of compiling"),
            "cuda_graph": Choice(False, "needs a CUDA device"),
            "channels_last": Choice(False, "0.9 times as fast in fp32, 0.97 in bf16, measured on a CPU"),
            "join_calls": Choice(False, "0.95 to 1.07 times as fast measured on a CPU: within the noise"),
            "checkpoint_activations": Choice(False, "0.7 times as fast measured on a CPU; saves memory"),
        }
    small = batch_size <= JOINED_UP_TO
    return {
        "compile": Choice(False, "not measured on a GPU by this project; compiling takes minutes"),
        "cuda_graph": Choice(False, "2 to 4 times as fast predicted at batch 1; not run on a GPU by this project yet"),
        "channels_last": Choice(False, "not measured on a GPU by this project"),
        "join_calls": Choice(
            small,
            "a third fewer kernels counted at batch 1, where launches are what a step waits for"
            if small
            else f"predicted to bring nothing above batch {JOINED_UP_TO}",
        ),
        "checkpoint_activations": Choice(False, "saves memory, costs a second forward pass"),
    }


def defaults(device: str, batch_size: int) -> Speed:
    """The options for a device's type (`cpu`, `cuda`, ...) and a batch size, where a recipe does not say."""
    return Speed(**{name: choice.value for name, choice in choices(device, batch_size).items()})


def chosen(train: Any, device: str) -> Speed:
    """What a recipe's `train` says; null is the default."""
    own = {field.name: getattr(train, field.name) for field in fields(Speed)}
    auto = defaults(device, train.batch_size)
    return Speed(**{name: getattr(auto, name) if value is None else value for name, value in own.items()})
