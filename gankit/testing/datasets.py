"""What a data set must give: fields in their ranges, and nothing random but from the generator that it is handed."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from gankit.testing.calls import require, shape


def first_item(dataset: Any) -> dict[str, Tensor]:
    return dataset.item(0, torch.Generator().manual_seed(0))


def judge_dataset(dataset: Any) -> None:
    """Raise AssertionError unless the data set keeps `gankit.data.dataset.Dataset`."""
    require(isinstance(dataset.size, int) and dataset.size >= 1, f"`size` is the side in pixels, not {dataset.size!r}")
    require(isinstance(dataset.channels, dict), "`channels` is a dict, such as {'a': 3, 'b': 3}")
    for split in ("train", "test"):
        part = dataset.split(split)
        require(len(part) > 0, f"the split {split} is empty")
        before = torch.get_rng_state()
        item = first_item(part)
        require(torch.equal(before, torch.get_rng_state()), "an item draws from torch's global random state")
        require_equal_items(first_item(part), item, "the same item, drawn again from the same generator,")
        for field, tensor in item.items():
            judge_field(dataset, field, tensor)
        absent = set(dataset.channels) - set(item)
        require(not absent, f"`channels` promises {', '.join(sorted(absent))}; the item has {', '.join(item)}")


def judge_field(dataset: Any, field: str, tensor: Any) -> None:
    require(isinstance(tensor, Tensor) and tensor.ndim == 3, f"`{field}` is (C, H, W), not {shape(tensor)}")
    if field.startswith("mask"):
        binary = len(tensor) == 1 and bool(((tensor == 0) | (tensor == 1)).all())
        require(binary, f"`{field}` is (1, H, W) of 0 and 1")
    else:
        channels = dataset.channels.get(field, len(tensor))
        require(len(tensor) == channels, f"`{field}` has {len(tensor)} channels instead of {channels}")
        require(tensor.is_floating_point(), f"`{field}` is {tensor.dtype}, not floating point")
        require(bool(tensor.abs().max() <= 1), f"`{field}` leaves [-1, 1]: {tensor.abs().max():.3g}")


def require_equal_items(ours: dict[str, Tensor], theirs: dict[str, Tensor], what: str) -> None:
    same = ours.keys() == theirs.keys() and all(torch.equal(ours[field], theirs[field]) for field in ours)
    require(same, f"{what} differs")
