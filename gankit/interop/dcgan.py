"""DCGAN's networks in pytorch/examples: nn.Sequentials named `main`."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from gankit.interop.keys import Imported, State, plain, refuse

Layers = list[tuple[dict[str, Tensor], dict[str, Tensor]]]
"""Each convolution with the weights of the norm after it."""

GENERATOR = "a Generator of pytorch/examples' dcgan"
DISCRIMINATOR = "a Discriminator of pytorch/examples' dcgan"


def generator(state: State) -> Imported:
    """The state dict of their Generator -> (recipe fragment, state dict under our names).

    Its first weight is (latent, width, 4, 4). Any widths that double from layer to layer, up to one from which they
    stay, and any number of layers: theirs has five, for 64 px.

    Raises:
        CheckpointError: these are not the weights of such a generator.
    """
    layers = _layers(GENERATOR, state)
    widths = [conv["weight"].shape[1] for conv, _ in layers[:-1]]
    ours: dict[str, Tensor] = {"head.weight": layers[-1][0]["weight"]}
    for i, (conv, norm) in enumerate(layers[:-1]):
        ours |= _named(f"layers.{i}", conv, norm)
    return _fragment(GENERATOR, widths[::-1], layers[:-1]), ours


def discriminator(state: State) -> Imported:
    """The state dict of their Discriminator -> (recipe fragment, state dict under our names).

    Their net ends with a sigmoid, which has no weights; ours gives logits.

    Raises:
        CheckpointError: these are not the weights of such a discriminator.
    """
    layers = _layers(DISCRIMINATOR, state)
    widths = [conv["weight"].shape[0] for conv, _ in layers[:-1]]
    ours = {"first.weight": layers[0][0]["weight"], "head.weight": layers[-1][0]["weight"]}
    for i, (conv, norm) in enumerate(layers[1:-1]):
        ours |= _named(f"layers.{i}", conv, norm)
    return _fragment(DISCRIMINATOR, widths, layers[1:-1]), ours


def _layers(what: str, state: State) -> Layers:
    """The convolutions in their order; a norm stands at the place after its convolution."""
    by_place: dict[int, dict[str, Tensor]] = {}
    for key, value in plain(state).items():
        match = re.fullmatch(r"main\.(\d+)\.(\w+)", key)
        if not match:
            raise refuse(what, f"they have the key '{key}'")
        by_place.setdefault(int(match[1]), {})[match[2]] = value
    places = [i for i in sorted(by_place) if by_place[i].get("weight", Tensor()).ndim == 4]
    layers = [(by_place[i], by_place.get(i + 1, {}) if i + 1 not in places else {}) for i in places]
    if len(layers) < 2 or sum(1 + bool(norm) for _, norm in layers) != len(by_place):
        raise refuse(what, f"they have {len(by_place)} layers with weights, of which {len(places)} are convolutions")
    for conv, _ in layers:
        if set(conv) != {"weight"} or conv["weight"].shape[2:] != (4, 4):
            raise refuse(what, "a convolution has a bias, or is not 4x4")
    return layers


def _fragment(what: str, widths: list[int], normed: Layers) -> dict[str, Any]:
    """widths: from the picture's side."""
    channels = widths[0]
    widest = max(widths) // channels
    if widths != [channels * min(2**i, widest) for i in range(len(widths))]:
        raise refuse(what, f"their widths {widths} do not double")
    with_norm = {"running_mean" in norm for _, norm in normed}
    if len(with_norm) > 1:
        raise refuse(what, "some layers have a batch norm and some have none")
    return {
        "type": "dcgan",
        "channels": channels,
        "image_size": 4 * 2 ** len(widths),
        "widest": widest,
        "norm": {"type": "batch" if True in with_norm or not normed else "none"},
    }


def _named(name: str, conv: dict[str, Tensor], norm: dict[str, Tensor]) -> dict[str, Tensor]:
    return {f"{name}.conv.{k}": v for k, v in conv.items()} | {f"{name}.norm.{k}": v for k, v in norm.items()}
