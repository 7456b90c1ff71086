"""What a data set must give: fields in their ranges, and nothing random but from the generator that it is handed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor

from gankit.contracts import DatasetContract
from gankit.fields import Field, Mask, Picture, Segmentation
from gankit.testing.calls import NotApplicable, require


def first_item(dataset: Any) -> dict[str, Tensor]:
    return dataset.item(0, torch.Generator().manual_seed(0))


def judge_dataset(dataset: Any) -> None:
    """Raise AssertionError unless the data set keeps `gankit.data.dataset.Dataset`."""
    require(isinstance(dataset.size, int) and dataset.size >= 1, f"`size` is the side in pixels, not {dataset.size!r}")
    fields = DatasetContract(dataset).fields
    declares = isinstance(fields, Mapping) and all(isinstance(field, Field) for field in fields.values())
    require(declares, "`fields` says what an item holds, such as {'a': Picture(3), 'label': Label(5)}")
    for split in ("train", "test"):
        part = dataset.split(split)
        require(len(part) > 0, f"the split {split} is empty")
        before = torch.get_rng_state()
        item = first_item(part)
        require(torch.equal(before, torch.get_rng_state()), "an item draws from torch's global random state")
        require_equal_items(first_item(part), item, "the same item, drawn again from the same generator,")
        absent, more = sorted(part.fields.keys() - item.keys()), sorted(item.keys() - part.fields.keys())
        require(not absent, f"`fields` promises {', '.join(absent)}; the item has {', '.join(item)}")
        require(not more, f"the item has {', '.join(more)}, which `fields` does not declare")
        for name, tensor in item.items():
            judge_field(part.fields[name], name, tensor)
        judge_places(part.fields, item)


def judge_field(field: Field, name: str, tensor: Any) -> None:
    wrong = field.fault(tensor)
    require(wrong is None, f"`{name}` {wrong}")
    if isinstance(field, Picture):
        require(bool(tensor.abs().max() <= 1), f"`{name}` leaves [-1, 1]: {tensor.abs().max():.3g}")


def judge_places(fields: Mapping[str, Field], item: Mapping[str, Tensor]) -> None:
    """What lies on a picture has its size."""
    for name, field in fields.items():
        if isinstance(field, Mask | Segmentation) and field.of is not None:
            require(field.of in item, f"`{name}` lies on `{field.of}`, which is not a field")
            ours, theirs = tuple(item[name].shape[-2:]), tuple(item[field.of].shape[-2:])
            require(ours == theirs, f"`{name}` is of {ours}, and `{field.of}`, on which it lies, of {theirs}")


def require_equal_items(ours: dict[str, Tensor], theirs: dict[str, Tensor], what: str) -> None:
    if not ours and not theirs:
        raise NotApplicable("its items hold nothing to compare")
    same = ours.keys() == theirs.keys() and all(torch.equal(ours[field], theirs[field]) for field in ours)
    require(same, f"{what} differs")
