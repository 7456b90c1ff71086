"""Generators of Vious/LBAM_Pytorch: the one of the released weights, and the one with batch norms before it."""

from __future__ import annotations

import re
from typing import Literal

from gankit.interop.keys import Imported, State, plain, refuse

LBAM = "an LBAMModel of LBAM_Pytorch"
SCALARS = {"a": "a", "mu": "mu", "sigma1": "left", "sigma2": "right"}
PLACES = (  # key -> name; their levels count from 1, the decoder's from the innermost
    (r"ec(\d+)\.conv\.conv\.(weight)", "encoder.{}.conv.{}"),
    (r"ec(\d+)\.conv\.maskConv\.(weight)", "encoder.{}.mask_conv.{}"),
    (r"ec(\d+)\.conv\.activationFuncG_A\.(\w+)", "encoder.{}.attention.{}"),
    (r"ec(\d+)\.bn\.(\w+)", "encoder.{}.norm.{}"),
    (r"ec(\d+)\.activ\.(weight)", "encoder.{}.activation.{}"),
    (r"reverseConv(\d+)\.reverseMaskConv\.(weight)", "reverse.{}.conv.{}"),
    (r"reverseConv(\d+)\.activationFuncG_A\.(\w+)", "reverse.{}.attention.{}"),
    (r"dc(\d+)\.conv\.(weight)", "decoder.{}.conv.{}"),
    (r"dc(\d+)\.bn\.(\w+)", "decoder.{}.norm.{}"),
    (r"dc(\d+)\.activ\.(weight)", "decoder.{}.activation.{}"),
    (r"dc(\d+)\.(weight)", "head.{1}"),
)


def generator(state: State, *, image: Literal["tanh", "abs"] | None = None) -> Imported:
    """The state dict of their generator -> (recipe fragment, state dict under our names).

    image: what follows the last layer, which the weights do not tell; None is (tanh + 1) / 2, as in the released
    weights and in their repository with and without batch norms. Their code before 2020 and the paper have |tanh|,
    `abs`.

    Raises:
        CheckpointError: these are not the weights of such a generator.
    """
    state = plain(state)
    levels = {int(match[1]) for key in state if (match := re.match(r"ec(\d+)\.conv\.conv\.weight", key))}
    if sorted(levels) != list(range(1, len(levels) + 1)) or len(levels) < 2:
        raise refuse(LBAM, "they have no levels ec1, ec2, ...")
    ours = {_name(key, len(levels)): value for key, value in state.items()}
    widths = [int(state[f"ec{i}.conv.conv.weight"].shape[0]) for i in sorted(levels)]
    batch = any(".bn." in key for key in state)
    fragment = {
        "type": "lbam",
        "channels": widths[0],
        "downs": len(widths),
        "norm": {"type": "batch" if batch else "none"},
        "image": image or "tanh",
    }
    if any(".activ." in key for key in state):
        fragment["activation"] = "prelu"  # the only one with weights
    if widths != [widths[0] * min(2**i, 8) for i in range(len(widths))]:
        fragment["widths"] = widths
    return fragment, ours


def _name(key: str, levels: int) -> str:
    for pattern, name in PLACES:
        if match := re.fullmatch(pattern, key):
            level = int(match[1])
            place = levels - 1 - level if name.startswith("decoder") else level - 1
            return name.format(place, SCALARS.get(match[2], match[2]) if "attention" in name else match[2])
    raise refuse(LBAM, f"they have the key '{key}'")
