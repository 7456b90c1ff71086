"""Importers of generators: what they read off, and what they refuse. The golden cases hold the values."""

import pytest
import torch
from torch import nn

from gankit.core.errors import CheckpointError
from gankit.interop import aggan, junyanz, ugatit
from tests.golden.assemble import assemble


def conv(out, into, kernel=3, bias=True):
    return {"weight": torch.randn(out, into, kernel, kernel)} | ({"bias": torch.randn(out)} if bias else {})


def batch(channels):
    return nn.BatchNorm2d(channels).state_dict()


def running(channels):
    """What an instance norm left in checkpoints of 2018."""
    return {k: v for k, v in batch(channels).items() if k not in ("weight", "bias")}


def flat(layers):
    return {f"{name}.{key}": value for name, layer in layers.items() for key, value in layer.items()}


def resnet(blocks=2, norm=None, gap=4, first=1, filt=False, bias=True, c=4, out=2):
    """A state dict laid out as the reference's Sequential: blocks have their convolutions at `first`, `first + gap`."""
    at = (
        {"down": [4, 8], "block": 12, "up": 3, "head": 3} if filt else {"down": [4, 7], "block": 10, "up": 0, "head": 1}
    )
    layers = {"model.1": conv(c, 3, 7, bias)}
    layers |= {f"model.{i}": conv(2 * w, w, 3, bias) for i, w in zip(at["down"], (c, 2 * c), strict=True)}
    for b in range(blocks):
        for place in (first, first + gap):
            layers[f"model.{at['block'] + b}.conv_block.{place}"] = conv(4 * c, 4 * c, 3, bias)
            if norm:
                layers[f"model.{at['block'] + b}.conv_block.{place + 1}"] = norm(4 * c)
    i = at["block"] + blocks
    if filt:
        layers |= {"model.7": {"filt": torch.ones(2 * c, 1, 3, 3)}, "model.11": {"filt": torch.ones(4 * c, 1, 3, 3)}}
        layers |= {f"model.{i}": {"filt": torch.ones(4 * c, 1, 4, 4)}, f"model.{i + 1}": conv(2 * c, 4 * c)}
        layers |= {f"model.{i + 4}": {"filt": torch.ones(2 * c, 1, 4, 4)}, f"model.{i + 5}": conv(c, 2 * c)}
        last = i + 9
    else:
        for place, w in ((i, 4 * c), (i + 3, 2 * c)):
            layers[f"model.{place}"] = {"weight": torch.randn(w, w // 2, 3, 3)} | (
                {"bias": torch.randn(w // 2)} if bias else {}
            )
        last = i + 7
    if norm:
        places = [(1, c), *zip(at["down"], (2 * c, 4 * c), strict=True)]
        places += [(i + 1, 2 * c), (i + 5, c)] if filt else [(i, 2 * c), (i + 3, c)]
        layers |= {f"model.{place + 1}": norm(w) for place, w in places}
    return flat(layers | {f"model.{last}": conv(out, c, 7)})


def load(imported, *host):
    fragment, state = imported
    kind = "attention" if fragment["type"] == "mask" else "generator"
    assemble(kind, fragment, *host).load_state_dict(state, strict=True)
    return fragment


@pytest.mark.parametrize(
    ("layout", "expected"),
    [
        ({}, {"norm": {"type": "instance"}, "padding": "reflect", "dropout": False, "blocks": 2, "channels": 4}),
        ({"norm": running}, {"norm": {"type": "instance"}}),
        ({"norm": batch, "bias": False}, {"norm": {"type": "batch"}}),
        ({"bias": False}, {"norm": {"type": "none"}}),
        ({"gap": 5, "blocks": 3}, {"dropout": True, "blocks": 3}),
        ({"first": 0, "gap": 3}, {"padding": "zero", "dropout": False}),
        ({"first": 0, "gap": 4}, {"padding": "zero", "dropout": True}),
        ({"filt": True}, {"down": "antialiased", "up": "antialiased"}),
        ({"blocks": 0}, {"blocks": 0}),
    ],
)
def test_the_layout_of_a_resnet_tells_its_arguments(layout, expected):
    fragment = load(junyanz.generator(resnet(**layout)), 3, 2)
    assert {key: fragment[key] for key in expected} == expected


def test_data_parallel_and_padding():
    state = {f"module.{k}": v for k, v in resnet().items()}
    assert load(junyanz.generator(state, padding="replicate"), 3, 2)["padding"] == "replicate"


def unet(norm="batch", downs=5, channels=(3, 3)):
    """A state dict laid out as the reference's nested U-Net."""
    widths, layers, prefix = [min(2**i, 8) * 2 for i in range(downs)], {}, "model.model"
    bias = norm == "instance"
    for i, width in enumerate(widths):
        outer, inmost = (widths[i - 1] if i else channels[1]), i == downs - 1
        up = 3 if i == 0 or inmost else 5
        layers[f"{prefix}.{1 if i else 0}"] = conv(width, outer if i else channels[0], 4, bias)
        layers[f"{prefix}.{up}"] = conv(width * (1 if inmost else 2), outer, 4, False)
        if bias or i == 0:
            layers[f"{prefix}.{up}"]["bias"] = torch.randn(outer)
        if norm == "batch" and i:
            layers[f"{prefix}.{up + 1}"] = batch(outer)
            if not inmost:
                layers[f"{prefix}.2"] = batch(width)
        prefix += f".{1 if i == 0 else 3}.model"
    return flat(layers)


@pytest.mark.parametrize("norm", ["batch", "instance", "none"])
@pytest.mark.parametrize("downs", [5, 6])
def test_unets(downs, norm):
    fragment = load(junyanz.generator(unet(norm, downs), dropout=False), 3, 3)
    assert fragment == {"type": "unet", "channels": 2, "downs": downs, "norm": {"type": norm}, "dropout": False}


@pytest.mark.parametrize(
    ("importer", "state", "message"),
    [
        (junyanz.generator, {"fc.weight": torch.ones(1)}, "they have the key 'fc.weight'"),
        (junyanz.generator, {}, "0 convolutions outside of the blocks, not 6"),
        (junyanz.generator, resnet() | {"model.2.weight": torch.ones(4)}, "no running statistics"),
        (junyanz.generator, resnet() | {"model.40.weight": torch.ones(4)}, "nothing is known of layer 40"),
        (junyanz.generator, resnet(gap=7), r"convolutions at \[\(1, 8\)\]"),
        (junyanz.generator, {"model.model.0.weight": torch.ones(1, 1, 4, 4)}, "fewer than three levels"),
        (ugatit.generator, {"DownBlock.3.weight": torch.ones(1)}, "they have the key 'DownBlock.3.weight'"),
        (ugatit.generator, {}, "they lack stem.conv.weight, style.mlp.0.weight"),
        (aggan.generator, {"Model/g_A/c7/Conv/weights": torch.ones(1)}, "they have the variable 'Model/g_A/c7"),
        (aggan.generator, {}, "layer c1 is missing"),
        (
            aggan.attention,
            {f"Model/{g}/c1/Conv/weights": torch.ones(7, 7, 3, 4) for g in ("g_A_ae", "g_B_ae")},
            "there are several networks: Model/g_A_ae, Model/g_B_ae",
        ),
    ],
)
def test_other_weights_are_refused(importer, state, message):
    with pytest.raises(CheckpointError, match=message):
        importer(state)
