"""Perceptrons of a vanilla GAN, as csinva/gan-vae-pretrained-pytorch stores them: an nn.Sequential `0. 2. 4.`"""

from __future__ import annotations

import itertools
import math
import re

from torch import Tensor

from gankit.interop.keys import Imported, State, plain, refuse

GENERATOR = "a perceptron that makes square pictures"
DISCRIMINATOR = "a perceptron that judges square pictures"


def generator(state: State, channels: int = 1) -> Imported:
    """The state dict of a generator -> (recipe fragment, state dict under our names).

    Linear layers with activations, which have no weights, between them; the first weight is (width, latent). channels:
    of the pictures, which the weights do not tell.

    Raises:
        CheckpointError: these are not the weights of such a network, or its pictures are not square.
    """
    layers = _layers(GENERATOR, state)
    *hidden, pixels = [layer["weight"].shape[0] for layer in layers]
    return _fragment(GENERATOR, hidden, pixels, channels), _named(layers)


def discriminator(state: State, channels: int = 1) -> Imported:
    """The state dict of a discriminator -> (recipe fragment, state dict under our names); its sigmoid is left out.

    Raises:
        CheckpointError: these are not the weights of such a network, or its pictures are not square.
    """
    layers = _layers(DISCRIMINATOR, state)
    *hidden, last = [layer["weight"].shape[0] for layer in layers]
    if last != 1:
        raise refuse(DISCRIMINATOR, f"they end with {last} values, not one")
    return _fragment(DISCRIMINATOR, hidden, layers[0]["weight"].shape[1], channels), _named(layers)


def _layers(what: str, state: State) -> list[dict[str, Tensor]]:
    by_place: dict[int, dict[str, Tensor]] = {}
    for key, value in plain(state).items():
        match = re.fullmatch(r"(?:\w+\.)?(\d+)\.(weight|bias)", key)
        if not match:
            raise refuse(what, f"they have the key '{key}'")
        by_place.setdefault(int(match[1]), {})[match[2]] = value
    layers = [by_place[i] for i in sorted(by_place)]
    if len(layers) < 2 or any(set(layer) != {"weight", "bias"} or layer["weight"].ndim != 2 for layer in layers):
        raise refuse(what, "they are not two or more linear layers with biases")
    for before, after in itertools.pairwise(layers):
        if before["weight"].shape[0] != after["weight"].shape[1]:
            raise refuse(what, "their layers do not fit to one another")
    return layers


def _fragment(what: str, hidden: list[int], pixels: int, channels: int) -> dict[str, object]:
    side = math.isqrt(pixels // channels)
    if channels * side**2 != pixels:
        raise refuse(what, f"{pixels} values do not make a square picture of {channels} channels")
    return {"type": "mlp", "hidden": hidden, "image_size": side}


def _named(layers: list[dict[str, Tensor]]) -> dict[str, Tensor]:
    return {f"layers.{i}.{key}": value for i, layer in enumerate(layers) for key, value in layer.items()}
