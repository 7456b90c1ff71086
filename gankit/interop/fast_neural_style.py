"""Style-transfer networks of pytorch/examples' fast_neural_style."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from gankit.interop.keys import Imported, State, plain, refuse

NET = "a TransformerNet of pytorch/examples' fast_neural_style"
STALE = ("running_mean", "running_var", "num_batches_tracked")
OLDEST = {"scale": "weight", "shift": "bias"}
"""The norm of early 2017, a class of their own with eps 1e-9; nn.InstanceNorm2d since."""
PLACES = {
    **{"conv1": "stem.conv", "in1": "stem.norm", "deconv3": "head"},
    **{"conv2": "down.0.conv", "in2": "down.0.norm", "conv3": "down.1.conv", "in3": "down.1.norm"},
    **{"deconv1": "up.0.conv.1", "in4": "up.0.norm", "deconv2": "up.1.conv.1", "in5": "up.1.norm"},
}
IN_BLOCKS = {"conv1": "first.conv", "in1": "first.norm", "conv2": "second.conv", "in2": "second.norm"}
PARTS = ("weight", "bias")


def generator(state: State) -> Imported:
    """The state dict of their TransformerNet -> (recipe fragment, state dict under our names), of any widths.

    Networks of all times are taken: running statistics of instance norms, which were kept until 2018 and never used,
    are dropped, and so are those whose norms have `scale` and `shift`.

    Raises:
        CheckpointError: these are not the weights of such a network.
    """
    state = plain(state)
    ours: dict[str, Tensor] = {}
    oldest = False
    for key, value in state.items():
        name, _, part = key.rpartition(".")
        if part in STALE:
            continue
        oldest |= part in OLDEST
        ours[f"{_place(name, key)}.{OLDEST.get(part, part)}"] = value

    blocks = len({key.split(".")[1] for key in ours if key.startswith("blocks.")})
    inside = [f"blocks.{i}.{place}" for i in range(blocks) for place in IN_BLOCKS.values()]
    wanted = {f"{place}.{part}" for place in (*PLACES.values(), *inside) for part in PARTS}
    if missing := sorted(wanted - ours.keys()):
        raise refuse(
            NET, f"nothing stands for {missing[0]} of ours" + (f" and {len(missing) - 1} more" if missing[1:] else "")
        )
    if strange := sorted(ours.keys() - wanted):
        raise refuse(NET, f"nothing is known of {strange[0]}")
    widths = [ours[f"{place}.weight"].shape[0] for place in ("stem.conv", "down.0.conv", "down.1.conv")]
    regular = widths == [widths[0], 2 * widths[0], 4 * widths[0]]
    norm: dict[str, Any] = {"type": "instance", "affine": True}
    fragment = {
        "type": "fast_style",
        "channels": widths[0] if regular else widths,
        "blocks": blocks,
        "norm": norm | ({"eps": 1e-9} if oldest else {}),
    }
    return fragment, ours


def _place(name: str, key: str) -> str:
    """Our name of one of their layers."""
    name = name.removesuffix(".conv2d")
    if name in PLACES:
        return PLACES[name]
    match = re.fullmatch(r"res([1-9]\d*)\.(\w+)", name)
    if not match or match[2] not in IN_BLOCKS:
        raise refuse(NET, f"they have the key '{key}'")
    return f"blocks.{int(match[1]) - 1}.{IN_BLOCKS[match[2]]}"
