"""The critic of AGIT's TensorFlow code (AlamiMejjati/Unsupervised-Attention-guided-Image-to-Image-Translation)."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

VARIABLE = re.compile(r"(?:.*/)?c(\d+)/(Conv|instance_norm)/(weights|biases|scale|offset)(?::0)?")
PARTS = {"weights": "weight", "biases": "bias", "scale": "weight", "offset": "bias"}


def discriminator(state: Mapping[str, Tensor]) -> tuple[dict[str, Any], dict[str, Tensor]]:
    """Variables of one critic, by TensorFlow's names, filters HWIO -> (recipe fragment, state dict under our names).

    The last convolution's scale and offset, which TensorFlow makes but nothing uses, are dropped.
    Raises ValueError when these are not the variables of such a critic.
    """
    parts: dict[tuple[int, str, str], Tensor] = {}
    for key, value in state.items():
        match = VARIABLE.fullmatch(key)
        if not match:
            raise ValueError(f"this is not a discriminator of AGIT: it has the variable '{key}'")
        parts[int(match[1]), match[2], PARTS[match[3]]] = value
    depth = max((number for number, _, _ in parts), default=0)
    if depth < 3 or (1, "Conv", "weight") not in parts:
        raise ValueError("this is not a discriminator of AGIT: it has fewer than three convolutions")
    ours = {}
    for (number, kind, part), value in parts.items():
        if number == depth and kind == "instance_norm":
            continue
        name = "head" if number == depth else f"{'convs' if kind == 'Conv' else 'norms'}.{number - 1}"
        ours[f"{name}.{part}"] = value.permute(3, 2, 0, 1) if value.dim() == 4 else value
    fragment = {
        "type": "patch",
        "channels": parts[1, "Conv", "weight"].shape[-1],
        "layers": depth - 2,
        "padding": 2,
        "norm_first": True,
        "norm": {"type": "instance", "affine": True},
    }
    return fragment, ours
