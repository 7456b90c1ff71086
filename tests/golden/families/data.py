"""Resizing, cropping and flipping as the CycleGAN code does it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import get_args

import torch
from torch import Tensor
from torchvision.transforms.v2 import functional as F

from gankit.data.placed import Placement
from gankit.data.transforms import Preprocess, Transform
from tests.golden.harness import Case, Comparison, Unsupported, compare, family

KNOWN_OPTIONS = {"preprocess", "load_size", "crop_size", "no_flip"}
KEY = re.compile(
    r"(?P<random>random\.)?(?P<case>.+?)(?P<gray>_grayscale)?(_torchseed(?P<seed>\d+))?(?P<gray2>_grayscale)?$"
)


@family("cyclegan.data_transforms")
def data_transforms(case: Case) -> Iterator[Comparison]:
    """Bits are the same (atol 0) but for what float32 division may round: half a unit in the last place of 1."""
    stored = case["input.image_hwc_uint8"]
    picture = torch.atleast_3d(stored).permute(2, 0, 1).contiguous()
    for key, reference in case.prefix("output.").items():
        yield compare(key, _ours(case.info["cases"], key, picture), reference, atol=6e-8)


def _ours(cases: dict[str, dict], key: str, picture: Tensor) -> Tensor:
    match = KEY.match(key)
    if not match or (match["random"] and not match["seed"]):
        raise Unsupported(f"output.{key} is not <case>, <case>_grayscale or random.<case>_torchseed<n>")
    stored = cases.get(key) or cases.get(match["case"])
    if stored is None:
        raise Unsupported(f"output.{key}: info.cases has no '{match['case']}'")
    transform = _transform(stored["opt"])
    gray = match["gray"] or match["gray2"] or stored.get("grayscale")
    picture = transform.resize(_gray(picture) if gray and len(picture) == 3 else picture)
    params = stored.get("params")
    if match["seed"] or params is None:
        seed = match["seed"] or stored.get("torch_seed", stored.get("seed"))
        if seed is None:
            raise Unsupported(f"output.{key} has neither params nor a seed")
        placement = transform.draw(picture, torch.Generator().manual_seed(int(seed)))
    else:
        left, top = params["crop_pos"]
        placement = Placement(top, left, transform.flip and params["flip"])
    return transform.at(picture, placement).finish()


def _gray(picture: Tensor) -> Tensor:
    return F.pil_to_tensor(F.to_pil_image(picture).convert("L"))  # as `read_image` does it; on tensors it rounds down


def _transform(options: dict) -> Transform:
    if unknown := options.keys() - KNOWN_OPTIONS:
        raise Unsupported(f"options {sorted(unknown)}")
    if options.get("preprocess", "resize_and_crop") not in get_args(Preprocess):
        raise Unsupported(f"preprocess {options['preprocess']}")
    fields = {k: v for k, v in options.items() if k != "no_flip"}
    return Transform(**fields, flip=not options.get("no_flip", False), exact=True)
