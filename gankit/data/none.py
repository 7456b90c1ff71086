"""No pictures at all."""

from __future__ import annotations

from typing import Annotated

import torch
from annotated_types import Ge, Le
from torch import Tensor

from gankit.data.dataset import Split
from gankit.fields import Field


class NoPictures:
    """Items without any picture (C, H, W), for methods that bring their own (`gatys`): a batch is empty.

    epoch: how many steps of batch size 1 are called an epoch.
    """

    def __init__(self, *, epoch: Annotated[int, Ge(1), Le(10_000_000)] = 1000) -> None:
        self._count = epoch
        self.fields: dict[str, Field] = {}
        self.size = 1

    def split(self, name: Split) -> NoPictures:
        """Itself; the test split is a single item."""
        return self if name == "train" else NoPictures(epoch=1)

    def __len__(self) -> int:
        return self._count

    def item(self, index: int, generator: torch.Generator) -> dict[str, Tensor]:
        """An item without fields."""
        return {}
