"""Critics of znxlwm/UGATIT-pytorch, of which gankit's `ugatit` holds a global and a local one."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

CONV = re.compile(r"model\.(\d+)\.(\w+)")
HEADS = {"gap_fc": "average", "gmp_fc": "maximum", "conv1x1": "merge", "conv": "head"}
PARTS = {"weight_orig": "weight", "weight_u": "u", "weight_v": "v", "weight": "weight", "bias": "bias"}


def discriminator(*states: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Their state dicts (disG and disL of one domain, in this order) -> (recipe fragment, state dict under our names).

    Raises ValueError when one is no discriminator of theirs, or when they do not have one width.
    """
    layers, widths, ours = [], set(), {}
    for number, state in enumerate(states):
        convs = sorted({int(m[1]) for key in state if (m := CONV.fullmatch(key))})
        for key, value in state.items():
            ours[f"critics.{number}.{_renamed(key, convs)}"] = value
        if len(convs) < 2:
            raise ValueError("this is not a discriminator of UGATIT-pytorch: it has fewer than two convolutions")
        layers.append(len(convs) + 1)
        widths.add(state[f"model.{convs[0]}.weight_orig"].shape[0])
    if len(widths) != 1:
        raise ValueError(f"these discriminators are not of one domain: their widths are {sorted(widths)}")
    return {"type": "ugatit", "channels": widths.pop(), "layers": tuple(layers)}, ours


def _renamed(key: str, convs: list[int]) -> str:
    module, _, part = key.rpartition(".")
    match = CONV.fullmatch(key)
    name = f"convs.{convs.index(int(match[1]))}" if match else HEADS.get(module)
    if name is None or part not in PARTS:
        raise ValueError(f"this is not a discriminator of UGATIT-pytorch: it has the key '{key}'")
    return f"{name}.{PARTS[part]}"
