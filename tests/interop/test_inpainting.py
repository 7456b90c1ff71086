"""Generators of LBAM_Pytorch and of naoto0804's PConv, under their keys and back."""

from __future__ import annotations

import pytest
import torch
from torch import Tensor

from gankit.core.errors import CheckpointError
from gankit.generators.lbam import LBAM
from gankit.generators.pconv import PConvUNet
from gankit.interop import lbam, pconv
from gankit.norms.batch import BatchNorm
from tests.golden.assemble import assemble

WORDS = (
    ("mask_conv", "conv.maskConv"),
    ("attention.left", "conv.activationFuncG_A.sigma1"),
    ("attention.right", "conv.activationFuncG_A.sigma2"),
    ("attention", "conv.activationFuncG_A"),
    ("norm", "bn"),
    ("activation", "activ"),
)


def as_lbam(net: LBAM) -> dict[str, Tensor]:
    """Our weights under the keys of LBAM_Pytorch."""
    theirs = {}
    for key, value in net.state_dict().items():
        part, *rest = key.split(".")
        if part == "head":
            theirs[f"dc{len(net.encoder)}.weight"] = value
            continue
        level, name = int(rest[0]), ".".join(rest[1:])
        if part == "reverse":
            name = name.replace("conv.", "reverseMaskConv.").replace("attention", "activationFuncG_A")
            name = name.replace("left", "sigma1").replace("right", "sigma2")
            theirs[f"reverseConv{level + 1}.{name}"] = value
            continue
        if part == "encoder" and name == "conv.weight":
            name = "conv.conv.weight"
        for ours, word in WORDS:
            if name.startswith(ours):
                name = word + name[len(ours) :]
                break
        place = f"ec{level + 1}" if part == "encoder" else f"dc{len(net.decoder) - level}"
        theirs[f"{place}.{name}"] = value
    return theirs


@pytest.mark.parametrize("prefix", ["", "module."])
@pytest.mark.parametrize(
    "options",
    [
        {"channels": 2, "downs": 3},
        {"channels": 2, "downs": 3, "norm": BatchNorm},
        {"widths": [3, 5, 4, 6], "downs": 4},
        {"channels": 2, "downs": 3, "activation": "prelu"},
    ],
)
def test_lbam(options: dict, prefix: str) -> None:
    torch.manual_seed(0)
    net = LBAM(3, 3, **options).eval()
    fragment, ours = lbam.generator({prefix + key: value for key, value in as_lbam(net).items()})
    other = assemble("generator", fragment, 3, 3).eval()
    other.load_state_dict(ours)
    x, hole = torch.rand(1, 3, 16, 16), torch.ones(1, 1, 16, 16)
    hole[..., :9] = 0
    assert torch.equal(net(x, hole), other(x, hole))
    assert fragment["image"] == "tanh" and fragment.get("widths") == options.get("widths")
    assert fragment.get("activation") == options.get("activation")
    assert lbam.generator(as_lbam(net), image="abs")[0]["image"] == "abs"


def as_pconv(net: PConvUNet) -> dict[str, Tensor]:
    """Our weights under the keys of naoto0804's code, with the constant weights of its mask convolutions."""
    theirs = {}
    for key, value in net.state_dict().items():
        part, level, what = key.split(".")
        way = "enc" if part.startswith("down") else "dec"
        theirs[f"{way}_{int(level) + 1}.{'bn' if 'norm' in part else 'conv.input_conv'}.{what}"] = value
    return theirs | {"enc_1.conv.mask_conv.weight": torch.ones(2, 3, 7, 7)}


def test_pconv() -> None:
    torch.manual_seed(0)
    net = PConvUNet(3, 3, channels=2, downs=3, window_factor=False, normalize="imagenet").eval()
    theirs = as_pconv(net)
    fragment, ours = pconv.generator(theirs)
    expected = {"type": "pconv", "channels": 2, "downs": 3, "window_factor": False, "normalize": "imagenet"}
    assert fragment == expected
    other = assemble("generator", fragment, 3, 3).eval()
    other.load_state_dict(ours)
    x, hole = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    hole[..., 4:9] = 1
    assert torch.equal(net(x, hole), other(x, hole))


def test_pconv_sees_pictures_as_it_was_trained_on_them() -> None:
    """naoto0804's way: the picture normalised, its holes set to 0, the result brought back to [0, 1]."""
    torch.manual_seed(0)
    net = PConvUNet(3, 3, channels=2, downs=3, window_factor=False)
    fragment, ours = pconv.generator(as_pconv(net))
    other = assemble("generator", fragment, 3, 3).eval()
    other.load_state_dict(ours)
    picture, hole = torch.rand(1, 3, 16, 16), torch.zeros(1, 1, 16, 16)
    hole[..., 4:9] = 1
    mean, deviation = (torch.tensor(v).view(1, 3, 1, 1) for v in ((0.485, 0.456, 0.406), (0.229, 0.224, 0.225)))
    known = (1 - hole).expand(-1, 3, -1, -1)
    theirs = net.eval().fill((picture - mean) / deviation * known, known)[0] * deviation + mean
    torch.testing.assert_close(other(picture * 2 - 1, hole), (theirs * 2 - 1).clamp(-1, 1))
    with pytest.raises(ValueError, match="is for 3 channels"):
        PConvUNet(1, 1, channels=2, downs=3, normalize="imagenet")


@pytest.mark.parametrize("generator", [lbam.generator, pconv.generator])
def test_other_weights_are_refused(generator) -> None:
    for state in ({}, {"conv.weight": torch.zeros(1)}):
        with pytest.raises(CheckpointError, match="these are not the weights of"):
            generator(state)
