"""The PConv U-Net of naoto0804/pytorch-inpainting-with-partial-conv."""

from __future__ import annotations

import re

from gankit.interop.keys import Imported, State, plain, refuse

PCONV = "a PConvUNet of naoto0804's pytorch-inpainting-with-partial-conv"


def generator(state: State) -> Imported:
    """The state dict of their network -> (recipe fragment, state dict under our names).

    Their layer leaves the size of the window out, on which the weights depend: `window_factor: false`. The constant
    weights of their mask convolutions are dropped. Their pictures were normalised by ImageNet's mean and deviation
    before and after the network: `normalize: imagenet`, where they are RGB.

    Raises:
        CheckpointError: these are not the weights of such a network.
    """
    ours, widths, channels = {}, {}, 3
    for key, value in plain(state).items():
        match = re.fullmatch(r"(enc|dec)_(\d+)\.(?:conv\.(input_conv|mask_conv)|(bn))\.(\w+)", key)
        if not match:
            raise refuse(PCONV, f"they have the key '{key}'")
        way, level, conv, norm, what = match.groups()
        if conv == "mask_conv":
            continue
        ours[f"{'down' if way == 'enc' else 'up'}{'_norm' if norm else ''}.{int(level) - 1}.{what}"] = value
        if way == "enc" and conv and what == "weight":
            widths[int(level)] = int(value.shape[0])
            channels = int(value.shape[1]) if level == "1" else channels
    if sorted(widths) != list(range(1, len(widths) + 1)) or len(widths) < 2:
        raise refuse(PCONV, "they have no levels enc_1, enc_2, ...")
    wide = [widths[level] for level in sorted(widths)]
    fragment = {"type": "pconv", "channels": wide[0], "downs": len(wide), "window_factor": False}
    if channels == 3:
        fragment["normalize"] = "imagenet"
    if wide != [wide[0] * min(2**i, 8) for i in range(len(wide))]:
        fragment["widths"] = wide
    return fragment, ours
