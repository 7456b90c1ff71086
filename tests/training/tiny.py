"""Recipes that train in a moment."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from gankit.training import checkpoint
from gankit.training.run import Run

FEW = {"type": "unet", "channels": 2, "downs": 2, "norm": "instance"}
"""A generator of few modules: to trace one, for torch.compile or an export, takes its time for each of them."""
CRITIC = {"type": "patch", "channels": 4, "layers": 1}
CYCLEGAN = {"type": "cyclegan", "generator": {"type": "resnet", "channels": 4, "blocks": 1}, "discriminator": CRITIC}
NOISY = CYCLEGAN | {"generator": {"type": "resnet", "channels": 4, "blocks": 1, "dropout": True}}
AGIT = {
    "type": "attention_guided",
    "generator": {"type": "resnet", "channels": 4, "blocks": 1},
    "attention": {"type": "mask", "channels": 4},
    "discriminator": CRITIC,
    "whole_image_until_epoch": 1,
}
UGATIT = {
    "type": "ugatit",
    "generator": {"type": "ugatit", "channels": 4, "blocks": 1, "light": True, "image_size": 16},
    "discriminator": {"type": "ugatit", "channels": 4, "layers": [4, 3]},
}
PAIRED = {
    "type": "paired",
    "generator": {"type": "unet", "channels": 4, "downs": 4},
    "discriminator": {"type": "patch", "channels": 4, "layers": 1, "norm": "batch"},
}
_STYLE = {"style_channels": 2, "style_downs": 2, "mlp_channels": 4}
BARE = {
    "type": "paired",
    "generator": FEW | {"norm": "none"},
    "discriminator": {"type": "patch", "channels": 2, "layers": 1, "norm": "none"},
}
"""Of few kernels: the default compiler takes a second of a CPU for each."""
MUNIT = {
    "type": "munit",
    "generator": {"type": "munit", "channels": 4, "downs": 1, "blocks": 1} | _STYLE,
    "discriminator": {
        "type": "multiscale",
        "scales": 2,
        "discriminator": {"type": "strided", "channels": 4, "layers": 2},
    },
}
STYLED = {
    "adversarial": {"type": "lsgan", "halve": False},
    "image": {"type": "identity", "weight": 10},
    "style": {"type": "l1", "on": {"output": "output_style", "target": "style"}},
    "content": {"type": "l1", "on": {"output": "output_content", "target": "content"}},
}
CYCLE = {"adversarial": "lsgan", "cycle": {"type": "cycle", "weight": 10}}


def recipe(
    method: dict = CYCLEGAN, losses: dict = CYCLE, data: dict | None = None, name: str = "tiny", **train: Any
) -> dict[str, Any]:
    """A recipe of 6 steps, 4 of them an epoch, that logs, samples and saves seldom."""
    options = {"steps": 6, "batch_size": 2, "pool_size": 2, "workers": 0, "samples": 1, "device": "cpu"}
    options |= {"schedule": "constant"}
    return {
        "gankit": 1,
        "name": name,
        "method": method,
        "losses": losses,
        "data": {"type": "shapes", "size": 16, "train": 8, "test": 2} | (data or {}),
        "train": options | {"log_every": 100, "sample_every": 100, "save_every": 100} | train,
    }


def digests(path: Path) -> dict[str, str]:
    """SHA-256 of the networks, and of their averages, in the newest checkpoint of a run."""
    latest = Run(path).latest()
    assert latest is not None
    files = checkpoint.read_index(latest)["files"]
    return {name: digest for name, digest in files.items() if name != checkpoint.STATE}


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in Run(path).metrics.read_text().splitlines()]
