"""Generators of znxlwm/UGATIT-pytorch."""

from __future__ import annotations

import re
from math import isqrt

from torch import Tensor

from gankit.interop.keys import Imported, State, plain, refuse

WHAT = "a generator of UGATIT-pytorch"
NORMS = {"rho", "gamma", "beta"}
PLACES = {
    "DownBlock.1": "stem.conv",
    "DownBlock.5": "down.0.conv",
    "DownBlock.9": "down.1.conv",
    "gap_fc": "attention.average",
    "gmp_fc": "attention.maximum",
    "conv1x1": "attention.mix",
    "FC.0": "style.mlp.0",
    "FC.2": "style.mlp.2",
    "gamma": "style.gamma",
    "beta": "style.beta",
    "UpBlock2.2": "up.0.conv.1",
    "UpBlock2.3": "up.0.norm",
    "UpBlock2.7": "up.1.conv.1",
    "UpBlock2.8": "up.1.norm",
    "UpBlock2.11": "head",
}


def generator(state: State) -> Imported:
    """The state dict of one of their generators (`genA2B`, say) -> (recipe fragment, state dict under our names).

    Raises:
        CheckpointError: these are not the weights of such a generator.
    """
    state = plain(state)
    blocks = len({match[1] for key in state if (match := re.match(r"UpBlock1_(\d+)\.", key))})
    ours: dict[str, Tensor] = {}
    for key, value in state.items():
        module, _, part = key.rpartition(".")
        ours[f"{_renamed(module, key, blocks)}.{part}"] = value.flatten() if part in NORMS else value
    if missing := {"stem.conv.weight", "style.mlp.0.weight"} - ours.keys():
        raise refuse(WHAT, f"they lack {', '.join(sorted(missing))}")
    channels = ours["stem.conv.weight"].shape[0]
    pixels = ours["style.mlp.0.weight"].shape[1] // (4 * channels)
    fragment = {"type": "ugatit", "channels": channels, "blocks": blocks, "light": pixels == 1}
    if pixels > 1:
        fragment["image_size"] = 4 * isqrt(pixels)
    return fragment, ours


def _renamed(module: str, key: str, blocks: int) -> str:
    if module in PLACES:
        return PLACES[module]
    if match := re.fullmatch(r"DownBlock\.(\d+)\.conv_block\.([15])", module):
        return f"blocks.{int(match[1]) - 12}.{'first' if match[2] == '1' else 'second'}.conv"
    if match := re.fullmatch(r"UpBlock1_(\d+)\.(conv|norm)([12])", module):
        return f"blocks.{blocks + int(match[1]) - 1}.{'first' if match[3] == '1' else 'second'}.{match[2]}"
    raise refuse(WHAT, f"they have the key '{key}'")
