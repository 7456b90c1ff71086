"""Networks of junyanz/pytorch-CycleGAN-and-pix2pix and of taesungp/contrastive-unpaired-translation: ResNets, U-Nets;
NLayerDiscriminators (`model.*`), with blurs (`filt`) where CUT's halve, and PixelDiscriminators (`net.*`)."""

from __future__ import annotations

import re
from typing import Literal

from torch import Tensor

from gankit.interop.keys import Imported, State, plain, refuse

Layer = dict[str, Tensor]

RESNET = "a ResnetGenerator of pytorch-CycleGAN-and-pix2pix"
UNET = "a UnetGenerator of pytorch-CycleGAN-and-pix2pix"
CRITIC = "a discriminator of pytorch-CycleGAN-and-pix2pix"
CRITIC_LAYER = re.compile(r"(?:module\.)?(model|net)\.(\d+)\.(\w+)")
RUNNING = ("running_mean", "running_var", "num_batches_tracked")


def generator(
    state: State, *, padding: Literal["reflect", "replicate"] = "reflect", dropout: bool | None = None
) -> Imported:
    """The state dict of their generator -> (recipe fragment, state dict under our names).

    Running statistics of instance norms, kept by checkpoints from before 2018-10, are dropped, and so are the fixed
    filters of antialiased layers.

    Args:
        padding: of a ResNet's blocks, where it is not zero padding (which shows): the weights do not tell.
        dropout: of a U-Net: the weights do not tell; None is theirs in training pix2pix, on. ResNets show it.

    Raises:
        CheckpointError: these are not the weights of such a generator.
    """
    state = plain(state)
    if any(key.startswith("model.model.") for key in state):
        return _unet(state, dropout is not False)
    return _resnet(state, padding)


def _resnet(state: State, padding: str) -> Imported:
    layers: dict[tuple[int, int | None], Layer] = {}
    for key, value in state.items():
        match = re.fullmatch(r"model\.(\d+)\.(?:conv_block\.(\d+)\.)?(\w+)", key)
        if not match:
            raise refuse(RESNET, f"they have the key '{key}'")
        place = int(match[1]), int(match[2]) if match[2] else None
        layers.setdefault(place, {})[match[3]] = value

    filters = {layers.pop(place)["filt"].shape[-1] for place in list(layers) if "filt" in layers[place]}
    convs = sorted(place for place, layer in layers.items() if _is_conv(layer))
    outer = [i for i, inner in convs if inner is None]
    blocks = sorted({i for i, inner in convs if inner is not None})
    if len(outer) != 6:
        raise refuse(RESNET, f"they have {len(outer)} convolutions outside of the blocks, not 6")
    norm = _norm(RESNET, layers, (outer[0], None))

    names = dict(zip(outer, ("stem", "down.0", "down.1", "up.0", "up.1", "head"), strict=True))
    ours: dict[str, Tensor] = {}
    for i, name in names.items():
        inside = ".1" if name.startswith("up") and 4 in filters else ""  # after the smooth enlarging
        ours |= _named("head" if name == "head" else f"{name}.conv{inside}", layers.pop((i, None)))
        ours |= _named(f"{name}.norm", _normed(layers, (i + 1, None), norm))
    shapes = set()
    for number, i in enumerate(blocks):
        inner = [place for block, place in convs if block == i and place is not None]
        shapes.add(tuple(inner))
        for name, place in zip(("first", "second"), inner, strict=False):
            ours |= _named(f"blocks.{number}.{name}.conv", layers.pop((i, place)))
            ours |= _named(f"blocks.{number}.{name}.norm", _normed(layers, (i, place + 1), norm))
    if layers:
        raise refuse(RESNET, f"nothing is known of layer {next(iter(layers))[0]}")

    # A padding layer stands before each convolution but with zero padding; a dropout layer before the second.
    variants = {(0, 3): ("zero", False), (0, 4): ("zero", True), (1, 5): (padding, False), (1, 6): (padding, True)}
    if not shapes <= variants.keys() or len(shapes) > 1:
        raise refuse(RESNET, f"their blocks have convolutions at {sorted(shapes)}")
    block_padding, dropout = variants[shapes.pop()] if shapes else (padding, False)
    fragment = {
        "type": "resnet",
        "channels": ours["stem.conv.weight"].shape[0],
        "blocks": len(blocks),
        "norm": {"type": norm},
        "padding": block_padding,
        "dropout": dropout,
        "down": "antialiased" if 3 in filters else "strided",
        "up": "antialiased" if 4 in filters else "transposed",
    }
    return fragment, ours


def _unet(state: State, dropout: bool) -> Imported:
    layers: dict[tuple[int, int | None], Layer] = {}  # by level, the outermost 0, and place in the level
    for key, value in state.items():
        match = re.fullmatch(r"model\.model\.(?:1\.model\.((?:3\.model\.)*))?(\d)\.(\w+)", key)
        if not match:
            raise refuse(UNET, f"they have the key '{key}'")
        level = 0 if match[1] is None else 1 + match[1].count("3")
        layers.setdefault((level, int(match[2])), {})[match[3]] = value
    inmost = max(level for level, _ in layers)
    if inmost < 2:
        raise refuse(UNET, "they have fewer than three levels")
    norm = _norm(UNET, layers, (1, 1))

    ours: dict[str, Tensor] = {}
    for level in range(inmost + 1):
        down = 0 if level == 0 else 1
        up = 3 if level in (0, inmost) else 5
        for name, place in (("down", down), ("up", up)):
            layer = layers.pop((level, place), None)
            if layer is None:
                raise refuse(UNET, f"level {level} has no convolution on the way {name}")
            ours |= _named(f"{name}.{level}", layer)
            ours |= _named(f"{name}_norm.{level}", _normed(layers, (level, place + 1), norm))
    if layers:
        raise refuse(UNET, f"nothing is known of layer {next(iter(layers))[1]} of level {next(iter(layers))[0]}")
    fragment = {
        "type": "unet",
        "channels": ours["down.0.weight"].shape[0],
        "downs": inmost + 1,
        "norm": {"type": norm},
        "dropout": dropout,
    }
    return fragment, ours


def _is_conv(layer: Layer) -> bool:
    return "weight" in layer and layer["weight"].ndim == 4


def _norm(what: str, layers: dict[tuple[int, int | None], Layer], conv: tuple[int, int | None]) -> str:
    """The name of the norm, by the convolution before it and its own weights: batch norms alone have any."""
    level, place = conv
    after = (level + 1, None) if place is None else (level, place + 1)
    if conv not in layers:
        raise refuse(what, f"they have no layer {conv}")
    if "weight" in layers.get(after, {}):
        if "running_mean" not in layers[after]:
            raise refuse(what, f"the norm at {after} has weights but no running statistics")
        return "batch"
    return "instance" if "bias" in layers[conv] else "none"


def _normed(layers: dict[tuple[int, int | None], Layer], place: tuple[int, int | None], norm: str) -> Layer:
    """Take the weights of the norm at this place; running statistics only where the norm uses them."""
    if place not in layers or _is_conv(layers[place]):
        return {}
    layer = layers.pop(place)
    return {key: value for key, value in layer.items() if norm == "batch" or key not in RUNNING}


def _named(name: str, layer: Layer) -> dict[str, Tensor]:
    return {f"{name}.{key}": value for key, value in layer.items()}


# -- discriminators --------------------------------------------------------------------------------------------------
def discriminator(state: State) -> Imported:
    """Their state dict -> (recipe fragment, state dict under our names). CheckpointError when it is none of theirs.

    What the keys do not say is taken as in their code since 2019-07: convolutions before a norm have a bias with
    instance norm alone. Running statistics of an instance norm, kept by checkpoints from before 2018-10, are dropped.
    """
    layers: dict[int, Layer] = {}
    containers = set()
    for key, value in state.items():
        match = CRITIC_LAYER.fullmatch(key)
        if not match:
            raise refuse(CRITIC, f"they have the key '{key}'")
        containers.add(match[1])
        layers.setdefault(int(match[2]), {})[match[3]] = value
    blurs = [layers.pop(i) for i in list(layers) if "filt" in layers[i]]
    convs = {i: layer for i, layer in sorted(layers.items()) if "weight" in layer and layer["weight"].dim() == 4}
    if len(containers) != 1 or len(convs) < 3:
        raise refuse(CRITIC, "there are fewer than 3 convolutions")
    norms = {i: layer for i, layer in layers.items() if i not in convs}
    if containers == {"net"}:
        return _pixel(convs, norms)
    fragment, ours = _patch(convs, norms)
    return fragment | ({"down": "antialiased"} if blurs else {}), ours


def _patch(convs: dict[int, Layer], norms: dict[int, Layer]) -> Imported:
    *body, head = convs
    first, second = convs[body[0]]["weight"], convs[body[1]]["weight"]
    layers = len(body) - 1
    if layers == 1 and first.shape[0] == second.shape[0]:
        layers = 0  # theirs has the same depth for 0 and 1, but does not double the channels
    norm = _critic_norm(convs[body[1]], norms)
    fragment = {"type": "patch", "channels": first.shape[0], "layers": layers, "norm": {"type": norm}}
    ours = _named("head", convs[head])
    for i, index in enumerate(body):
        ours |= _named(f"convs.{i}", convs[index])
        ours |= _named(f"norms.{i}", norms.get(index + 1, {}) if norm == "batch" else {})
    return fragment, ours


def _pixel(convs: dict[int, Layer], norms: dict[int, Layer]) -> Imported:
    first, second, head = convs
    norm = _critic_norm(convs[second], norms)
    fragment = {"type": "pixel", "channels": convs[first]["weight"].shape[0], "norm": {"type": norm}}
    ours = _named("first", convs[first]) | _named("second", convs[second]) | _named("head", convs[head])
    return fragment, ours | _named("norm", norms.get(second + 1, {}) if norm == "batch" else {})


def _critic_norm(before: Layer, norms: dict[int, Layer]) -> str:
    if any("weight" in layer for layer in norms.values()):
        return "batch"
    return "instance" if "bias" in before else "none"
