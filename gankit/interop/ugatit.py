"""Networks of znxlwm/UGATIT-pytorch. Of its critics gankit's `ugatit` holds two, a global and a local one."""

from __future__ import annotations

import re
from math import isqrt

from torch import Tensor

from gankit.interop.keys import Imported, State, plain, refuse

WHAT = "a generator of UGATIT-pytorch"
CRITIC = "a discriminator of UGATIT-pytorch"
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
CONV = re.compile(r"model\.(\d+)\.(\w+)")
HEADS = {"gap_fc": "average", "gmp_fc": "maximum", "conv1x1": "merge", "conv": "head"}
PARTS = {"weight_orig": "weight", "weight_u": "u", "weight_v": "v", "weight": "weight", "bias": "bias"}


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


def discriminator(*states: State) -> Imported:
    """Their state dicts (disG and disL of one domain, in this order) -> (recipe fragment, state dict under our names).

    Raises CheckpointError when one is no discriminator of theirs, or when they do not have one width.
    """
    layers, widths, ours = [], set(), {}
    for number, state in enumerate(states):
        convs = sorted({int(m[1]) for key in state if (m := CONV.fullmatch(key))})
        for key, value in state.items():
            ours[f"critics.{number}.{_critic_key(key, convs)}"] = value
        if len(convs) < 2:
            raise refuse(CRITIC, "there are fewer than two convolutions")
        layers.append(len(convs) + 1)
        widths.add(state[f"model.{convs[0]}.weight_orig"].shape[0])
    if len(widths) != 1:
        raise refuse("the discriminators of one domain", f"their widths are {sorted(widths)}")
    return {"type": "ugatit", "channels": widths.pop(), "layers": tuple(layers)}, ours


def _critic_key(key: str, convs: list[int]) -> str:
    module, _, part = key.rpartition(".")
    match = CONV.fullmatch(key)
    name = f"convs.{convs.index(int(match[1]))}" if match else HEADS.get(module)
    if name is None or part not in PARTS:
        raise refuse(CRITIC, f"they have the key '{key}'")
    return f"{name}.{PARTS[part]}"
