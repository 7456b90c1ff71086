"""Generators of mit-han-lab/gan-compression: CycleGAN's ResNet with separable blocks, every width free."""

from __future__ import annotations

import re

from torch import Tensor

from gankit.interop import junyanz
from gankit.interop.keys import Imported, State, plain, refuse

WHAT = "a mobile ResNet of gan-compression"
KEY = re.compile(r"model\.(\d+)\.(?:conv_block\.(\d+)\.conv\.(\d+)\.)?(weight|bias)")
PARTS = {0: "depthwise", 2: "pointwise"}
OUTER = ("stem.conv", "down.0.conv", "down.1.conv", "up.0.conv", "up.1.conv", "head")


def generator(state: State) -> Imported:
    """The state dict of one of their generators, compressed or not -> (recipe fragment, state dict under our names).

    Their networks of plain blocks, teachers say, are pytorch-CycleGAN-and-pix2pix's ResNets. Dropout leaves no trace in
    the weights, and their layers of rate 0 stand where others drop half: it is taken as off.

    Raises:
        CheckpointError: these are not the weights of such a generator, or they hold other norms than instance norms
            without scale and offset.
    """
    state = plain(state)
    if not any(".conv_block." in key and ".conv." in key for key in state):
        fragment, weights = junyanz.generator(state, dropout=False)
        return fragment | {"dropout": False}, weights

    places: dict[tuple[int, int | None], dict[str, Tensor]] = {}  # (layer, of a block its inner layer) -> by our part
    for key, value in state.items():
        match = KEY.fullmatch(key)
        if not match or (match[3] and int(match[3]) not in PARTS):
            raise refuse(WHAT, f"they have the key '{key}'")
        place = int(match[1]), int(match[2]) if match[2] else None
        part = f"{PARTS[int(match[3])]}.{match[4]}" if match[3] else match[4]
        places.setdefault(place, {})[part] = value

    outer = sorted(layer for layer, inner in places if inner is None)
    if len(outer) != len(OUTER):
        raise refuse(WHAT, f"they have {len(outer)} layers with weights outside of the blocks, not {len(OUTER)}")
    ours = {
        f"{name}.{part}": value
        for layer, name in zip(outer, OUTER, strict=True)
        for part, value in places[layer, None].items()
    }
    blocks = sorted({layer for layer, inner in places if inner is not None})
    for number, block in enumerate(blocks):
        inner = sorted(i for layer, i in places if layer == block and i is not None)
        if inner not in ([1, 6], [0, 4]):  # reflection padding has a layer of its own, zero padding none
            raise refuse(WHAT, f"block {number} has convolutions at {inner}")
        for name, place in zip(("first", "second"), inner, strict=True):
            ours |= {f"blocks.{number}.{name}.conv.{part}": value for part, value in places[block, place].items()}

    def width(name: str, axis: int) -> int:
        return ours[f"{name}.weight"].shape[axis]

    fragment = {
        "type": "mobile_resnet",
        "down": tuple(width(name, 0) for name in OUTER[:3]),
        "inner": tuple(width(f"blocks.{number}.first.conv.pointwise", 0) for number in range(len(blocks))),
        "up": tuple(width(name, 1) for name in OUTER[3:5]),
        "padding": "reflect" if (blocks[0], 1) in places else "zero",
    }
    return fragment, ours
