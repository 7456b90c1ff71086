"""The conformance kit on augments: each way of being wrong is told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
import torch
from torch import Tensor, nn

import gankit
from gankit.augment.base import Augment, per_picture
from gankit.core.catalogue import catalogue
from gankit.testing import check_component


@pytest.fixture(autouse=True)
def own_catalogue() -> Iterator[None]:
    yield
    catalogue.cache_clear()


class Brighter(Augment):
    """Adds a number. (N, C, H, W) -> the same shape. gankit's tests."""

    def __init__(self, by: float = 0.1) -> None:
        super().__init__()
        self.by = by

    def draw(self, count: int, device: torch.device) -> dict[str, Tensor]:
        return {"by": torch.rand(count, device=device) * self.by}

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x + per_picture(drawn["by"]).to(x.dtype)

    def extra_repr(self) -> str:
        return f"by={self.by}"


class Loud(Brighter):
    """Leaves the range. (N, C, H, W) -> the same shape. gankit's tests."""

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return 1e3 * x


class DrawsLate(Brighter):
    """Draws where it should not. (N, C, H, W) -> the same shape. gankit's tests."""

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x + torch.rand(len(x), 1, 1, 1)


class DrawsOne(Brighter):
    """Draws one number for all. (N, C, H, W) -> the same shape. gankit's tests."""

    def draw(self, count: int, device: torch.device) -> dict[str, Tensor]:
        return {"by": torch.rand(count + 1, device=device)[:1].expand(count + 1)}

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x + drawn["by"][0]


class ByPlace(Brighter):
    """The first one is special. (N, C, H, W) -> the same shape. gankit's tests."""

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x + torch.arange(len(x), device=x.device, dtype=x.dtype)[:, None, None, None]


class BlursMasks(Brighter):
    """Masks are half of what they were. (N, C, H, W) -> the same shape. gankit's tests."""

    def mask(self, x: Tensor, drawn: Any) -> Tensor:
        return x / 2


class ColoursOnly(Brighter):
    """Takes three channels alone. (N, C, H, W) -> the same shape. gankit's tests."""

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x * torch.ones(1, 3, 1, 1, device=x.device, dtype=x.dtype)


class Learns(Brighter):
    """Has a parameter. (N, C, H, W) -> the same shape. gankit's tests."""

    def __init__(self, by: float = 0.1) -> None:
        super().__init__(by)
        self.scale = nn.Parameter(torch.ones(()))

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x * self.scale


class Cuts(Brighter):
    """No gradient comes through. (N, C, H, W) -> the same shape. gankit's tests."""

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x.detach()


class Waits(Brighter):
    """Decides by a value. (N, C, H, W) -> the same shape. gankit's tests."""

    def picture(self, x: Tensor, drawn: Any) -> Tensor:
        return x + 0.1 if bool(drawn["by"].sum() > 0) else x


class Foreign(nn.Module):
    """Does not derive from the base. (N, C, H, W) -> the same shape. gankit's tests."""

    def forward(self, x: Tensor) -> Tensor:
        return x


def test_a_good_one_passes() -> None:
    gankit.register("augment", "brighter")(Brighter)
    assert check_component("augment", "brighter").ok


@pytest.mark.parametrize(
    ("make", "check", "reason"),
    [
        (Loud, "sample", "leaves [-1, 1] by far"),
        (DrawsLate, "sample", "what is random belongs into `draw`"),
        (DrawsOne, "sample", "one number or more for each picture; by is not"),
        (ByPlace, "sample", "depends on its place in the batch"),
        (BlursMasks, "sample", "a mask of 0 and 1 comes back with other values"),
        (ColoursOnly, "sample", "it cannot do pictures of 1 channels"),
        (Learns, "sample", "scale learns, and no turn trains an augment"),
        (Foreign, "sample", "derives from gankit.augment.base.Augment"),
        (Cuts, "gradients", "no output depends on a parameter or an input"),
        (Waits, "compile", ""),
    ],
)
def test_what_is_wrong_is_told(make: type, check: str, reason: str) -> None:
    gankit.register("augment", "tested")(make)
    report = check_component("augment", "tested", raise_on_failure=False)
    assert report[check].status == "failed" and reason in report[check].reason
