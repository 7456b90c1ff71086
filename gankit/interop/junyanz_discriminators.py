"""Critics of junyanz/pytorch-CycleGAN-and-pix2pix: NLayerDiscriminator (`model.*`) and PixelDiscriminator (`net.*`),
and of taesungp/contrastive-unpaired-translation, whose first has blurs (`filt`) where it halves."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from torch import Tensor

Imported = tuple[dict[str, Any], dict[str, Tensor]]

LAYER = re.compile(r"(?:module\.)?(model|net)\.(\d+)\.(\w+)")


def discriminator(state: Mapping[str, Tensor]) -> Imported:
    """Their state dict -> (recipe fragment, state dict under our names). ValueError when it is none of theirs.

    What the keys do not say is taken as in their code since 2019-07: convolutions before a norm have a bias with
    instance norm alone. Running statistics of an instance norm, kept by checkpoints from before 2018-10, are dropped.
    """
    layers: dict[int, dict[str, Tensor]] = {}
    containers = set()
    for key, value in state.items():
        match = LAYER.fullmatch(key)
        if not match:
            raise ValueError(f"this is not a discriminator of pytorch-CycleGAN-and-pix2pix: it has the key '{key}'")
        containers.add(match[1])
        layers.setdefault(int(match[2]), {})[match[3]] = value
    blurs = [layers.pop(i) for i in list(layers) if "filt" in layers[i]]
    convs = {i: layer for i, layer in sorted(layers.items()) if "weight" in layer and layer["weight"].dim() == 4}
    if len(containers) != 1 or len(convs) < 3:
        raise ValueError(
            "this is not a discriminator of pytorch-CycleGAN-and-pix2pix: it has fewer than 3 convolutions"
        )
    norms = {i: layer for i, layer in layers.items() if i not in convs}
    if containers == {"net"}:
        return _pixel(convs, norms)
    fragment, ours = _patch(convs, norms)
    return fragment | ({"down": "antialiased"} if blurs else {}), ours


def _patch(convs: dict[int, dict[str, Tensor]], norms: dict[int, dict[str, Tensor]]) -> Imported:
    *body, head = convs
    first, second = convs[body[0]]["weight"], convs[body[1]]["weight"]
    layers = len(body) - 1
    if layers == 1 and first.shape[0] == second.shape[0]:
        layers = 0  # theirs has the same depth for 0 and 1, but does not double the channels
    norm = _norm(convs[body[1]], norms)
    fragment = {"type": "patch", "channels": first.shape[0], "layers": layers, "norm": {"type": norm}}
    ours = _named("head", convs[head])
    for i, index in enumerate(body):
        ours |= _named(f"convs.{i}", convs[index])
        ours |= _named(f"norms.{i}", norms.get(index + 1, {}) if norm == "batch" else {})
    return fragment, ours


def _pixel(convs: dict[int, dict[str, Tensor]], norms: dict[int, dict[str, Tensor]]) -> Imported:
    first, second, head = convs
    norm = _norm(convs[second], norms)
    fragment = {"type": "pixel", "channels": convs[first]["weight"].shape[0], "norm": {"type": norm}}
    ours = _named("first", convs[first]) | _named("second", convs[second]) | _named("head", convs[head])
    return fragment, ours | _named("norm", norms.get(second + 1, {}) if norm == "batch" else {})


def _norm(before: dict[str, Tensor], norms: dict[int, dict[str, Tensor]]) -> str:
    if any("weight" in layer for layer in norms.values()):
        return "batch"
    return "instance" if "bias" in before else "none"


def _named(name: str, layer: Mapping[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in layer.items()}
