"""What the importers of other projects' weights share."""

from __future__ import annotations

import re
from typing import Any

from torch import Tensor

from gankit.core.errors import CheckpointError
from gankit.weights.unwrap import State
from gankit.weights.unwrap import bare as plain

__all__ = ["Imported", "State", "plain", "refuse"]

Imported = tuple[dict[str, Any], dict[str, Tensor]]
"""A recipe fragment that describes the network, and its weights under gankit's names."""


KNOWN = (
    (r"(en|de)coder\.convs\.|final_linear\.|.*\.modulation\.", "StyleGAN2 (CUT has such, too)", ""),
    (r"main\.\d+\.main\.|conv1\.weight", "StarGAN", ""),
    (r"DownBlock\.|.*\bgap_fc\.", "UGATIT-pytorch", "ugatit"),
    (r"(mlp\.model|enc_style\.model)\.", "MUNIT", "munit"),
    (r"enc_content\.", "CUT's resnet_cat", ""),
    (r"conv1\.conv2d\.|deconv1\.", "fast_neural_style", "fast-neural-style"),
    (r"ec1\.conv\.maskConv\.", "LBAM_Pytorch", "lbam"),
    (r"enc_1\.conv\.input_conv\.", "naoto0804's", "pconv"),
    (r"model\.\d+\.conv_block\.\d+\.conv\.", "gan-compression", "gan-compression"),
    (r"model\.(model\.|\d+\.(conv_block|weight))", "pytorch-CycleGAN-and-pix2pix", "junyanz"),
    (r"main\.\d+\.weight", "dcgan", "dcgan"),
)
"""How a key begins of the networks of a project, its name, and what imports it, if anything; the first counts."""


def foreign(state: State, told: str) -> str:
    """A sentence on whose weights these are, by their keys, unless what is `told` already speaks of that project."""
    found = next(((name, source) for start, name, source in KNOWN if any(re.match(start, key) for key in state)), None)
    if found is None or found[0] in told:
        return ""
    what = f"`gankit import {found[1]}` takes them" if found[1] else "networks of that kind are not supported"
    return f". They look like weights of {found[0]}: {what}"


def refuse(what: str, why: str) -> CheckpointError:
    """The error of an importer: these are not the weights of `what`."""
    return CheckpointError(f"these are not the weights of {what}: {why}")
