"""One whole training step of each method, with small networks: 2 pictures of 64 px a domain."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from gankit.training.assemble import assemble, make_stepper
from gankit.training.devices import Devices

CRITIC = {"type": "patch", "channels": 16, "layers": 2}
RESNET = {"type": "resnet", "channels": 16, "blocks": 3}
CYCLE = {"adversarial": "lsgan", "cycle": {"type": "cycle", "weight": 10}}
METHODS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "cyclegan": ({"generator": RESNET, "discriminator": CRITIC}, {**CYCLE, "identity": "identity"}),
    "attention_guided": (
        {"generator": RESNET, "attention": {"type": "mask", "channels": 16}, "discriminator": CRITIC},
        CYCLE,
    ),
    "ugatit": (
        {
            "generator": {"type": "ugatit", "channels": 16, "blocks": 2},
            "discriminator": {"type": "ugatit", "channels": 16, "layers": [4, 3]},
        },
        {**CYCLE, "identity": "identity", "cam": "cam"},
    ),
    "paired": (
        {"generator": {"type": "unet", "channels": 16, "downs": 6}, "discriminator": CRITIC},
        {"adversarial": "vanilla", "l1": {"type": "l1", "weight": 100}},
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_step(name: str, device: torch.device, measure: Callable) -> None:
    parts, losses = METHODS[name]
    recipe = {
        "gankit": 1,
        "name": name,
        "method": {"type": name, **parts},
        "losses": losses,
        "data": "shapes",
        "train": {"steps": 1},
    }
    torch.manual_seed(0)
    stepper = make_stepper(assemble(recipe), Devices(device))
    batch = {field: torch.rand(2, 3, 64, 64, device=device) * 2 - 1 for field in "ab"}
    measure(lambda: stepper.step(batch))
