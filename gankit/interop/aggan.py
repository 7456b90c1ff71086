"""Networks of AGIT's TensorFlow code
(AlamiMejjati/Unsupervised-Attention-guided-Image-to-Image-Translation)."""

from __future__ import annotations

import re

from torch import Tensor

from gankit.interop.keys import Imported, State, refuse

VARIABLE = re.compile(
    r"(?:(?P<scope>.*?)/)??(?P<layer>(?:r\d+/)?c\d+)/(?P<kind>Conv|Conv2d_transpose|instance_norm)/(?P<part>\w+)(?::0)?"
)
PARTS = {"weights": "weight", "biases": "bias", "scale": "weight", "offset": "bias"}
# What the released code does, beside the paper.
CODE = {"norm": {"type": "instance", "affine": True}, "geometry": "tensorflow", "relu_after_sum": True}

Layers = dict[str, tuple[str, str]]
"""Layer of theirs -> our names of its convolution and of its norm."""


def _units(names: dict[str, str]) -> Layers:
    return {layer: (f"{name}.conv", f"{name}.norm") for layer, name in names.items()}


HEAD = {"c6": ("head", "")}
ATTENTION = (
    _units({"c1": "stem", "c2": "down", "r1/c1": "block.first", "r1/c2": "block.second", "c4": "up.0", "c5": "up.1"})
    | HEAD
)
GENERATOR = _units({"c1": "stem", "c2": "down.0", "c3": "down.1", "c4": "up.0", "c5": "up.1"}) | HEAD


def attention(state: State) -> Imported:
    """Variables of one attention network (`Model/g_A_ae/...`) -> (recipe fragment, state dict under our names).

    Filters come as HWIO. The last layer's scale and offset, which TensorFlow makes but nothing uses, are dropped.

    Raises:
        CheckpointError: these are not the variables of one such network.
    """
    ours = _translate(state, ATTENTION, "an attention network of AGIT's code")
    fragment = {
        "type": "mask",
        "channels": ours["stem.conv.weight"].shape[0],
        "decoder_kernels": tuple(ours[f"{name}.weight"].shape[-1] for name in ("up.0.conv", "up.1.conv", "head")),
        "decoder_padding": "zero",
        **CODE,
    }
    return fragment, ours


def generator(state: State) -> Imported:
    """Variables of one generator (`Model/g_A/...`) -> (recipe fragment, state dict under our names).

    Filters come as HWIO, of transposed convolutions as HWOI. The last layer's scale and offset, which TensorFlow makes
    but nothing uses, are dropped.

    Raises:
        CheckpointError: these are not the variables of one such network.
    """
    blocks = {match[1] for key in state if (match := re.search(r"(?:^|/)r(\d+)/c1/", key))}
    layers = GENERATOR | _units(
        {
            f"r{i + 1}/c{half}": f"blocks.{i}.{name}"
            for i in range(len(blocks))
            for half, name in ((1, "first"), (2, "second"))
        }
    )
    ours = _translate(state, layers, "a generator of AGIT's code")
    fragment = {
        "type": "resnet",
        "channels": ours["stem.conv.weight"].shape[0],
        "blocks": len(blocks),
        "padding": "zero",
        "ends": "zero",
        **CODE,
    }
    return fragment, ours


def discriminator(state: State) -> Imported:
    """Variables of one critic (`Model/d_A/...`) -> (recipe fragment, state dict under our names).

    Filters come as HWIO. The last convolution's scale and offset, which TensorFlow makes but nothing uses, are dropped.

    Raises:
        CheckpointError: these are not the variables of such a critic.
    """
    what = "a discriminator of AGIT's code"
    depth = max((int(m[1]) for key in state if (m := re.search(r"(?:^|/)c(\d+)/", key))), default=0)
    if depth < 3:
        raise refuse(what, "there are fewer than three convolutions")
    layers = {f"c{i + 1}": (f"convs.{i}", f"norms.{i}") for i in range(depth - 1)} | {f"c{depth}": ("head", "")}
    ours = _translate(state, layers, what)
    fragment = {
        "type": "patch",
        "channels": ours["convs.0.weight"].shape[0],
        "layers": depth - 2,
        "padding": 2,
        "norm_first": True,
        "norm": {"type": "instance", "affine": True},
    }
    return fragment, ours


def _translate(state: State, layers: Layers, what: str) -> dict[str, Tensor]:
    """The variables under our names, filters in torch's layout; every layer must be there, and nothing else."""
    ours: dict[str, Tensor] = {}
    scopes = set()
    for key, value in state.items():
        match = VARIABLE.fullmatch(key)
        if not match or match["part"] not in PARTS or match["layer"] not in layers:
            raise refuse(what, f"they have the variable '{key}'")
        scopes.add(match["scope"])
        (conv, norm), part = layers[match["layer"]], PARTS[match["part"]]
        if match["kind"] != "instance_norm":
            # HWIO -> OIHW and, for transposed convolutions, HWOI -> IOHW: the same permutation.
            ours[f"{conv}.{part}"] = value.permute(3, 2, 0, 1) if value.ndim == 4 else value
        elif norm:
            ours[f"{norm}.{part}"] = value
    if len(scopes) > 1:
        raise refuse(what, f"there are several networks: {', '.join(sorted(map(str, scopes)))}")
    for layer, (conv, _) in layers.items():
        if f"{conv}.weight" not in ours:
            raise refuse(what, f"layer {layer} is missing")
    return ours
