"""A picture and which part of it is meant: cut out at once, or for a whole batch on the device."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import torch
from torch import Tensor

from gankit.codecs.images import to_model_range
from gankit.fields import Segmentation


class Placement(NamedTuple):
    """Where to crop, and whether to flip left and right afterwards.

    times: how many times larger than the crop the part is that is cut out, and then reduced to it.
    """

    top: int
    left: int
    flip: bool
    times: float = 1.0


class Placed(NamedTuple):
    """A decoded, resized picture, uint8 (C, H, W) or float32 in [-1, 1], and the part (height, width) = `size` of it
    that is meant. What has to be reduced is so already.

    classes: of a segmentation map, (1, H, W) of classes; 0 for pictures.
    """

    picture: Tensor
    placement: Placement
    size: tuple[int, int]
    classes: int = 0

    def cut(self) -> Tensor:
        """The part, (C, h, w); it may share the picture's memory."""
        (top, left, flip, _), (height, width) = self.placement, self.size
        part = self.picture[..., top : top + height, left : left + width]
        return part.flip(-1) if flip else part

    def finish(self) -> Tensor:
        """The part as float (C, h, w) in [-1, 1]; of a map, (classes, h, w)."""
        return _finished(self.cut(), self.classes)


class PlacedBatch(NamedTuple):
    """Pictures as workers hand them over, uint8 (N, C, H, W), or float32 in [-1, 1]; or maps of so many `classes`,
    uint8 (N, 1, H, W).

    placements: int64 (N, 3), top, left and flip of each; None where parts of (height, width) `size` are cut already.
    """

    pictures: Tensor
    placements: Tensor | None
    size: tuple[int, int]
    classes: int = 0

    @classmethod
    def of(cls, placed: Sequence[Placed], cut: bool) -> PlacedBatch:
        """cut: now; else later, on the device, where the pictures are of one size. The parts have one size."""
        size, classes = placed[0].size, placed[0].classes
        if cut or len({p.picture.shape for p in placed}) > 1:
            return cls(_stack([p.cut() for p in placed]), None, size, classes)
        return cls(_stack([p.picture for p in placed]), torch.tensor([p.placement[:3] for p in placed]), size, classes)

    def part(self, which: slice) -> PlacedBatch:
        """Some of the pictures, without a copy."""
        return self._replace(
            pictures=self.pictures[which], placements=None if self.placements is None else self.placements[which]
        )

    def finish(self, device: torch.device) -> Tensor:
        """The parts as float (N, C, h, w) in [-1, 1], on the device: bit for bit what `Placed.finish` gives."""
        pictures = self.pictures.to(device, non_blocking=True)
        if self.placements is not None:
            pictures = _gather(pictures, self.placements.to(device, non_blocking=True), self.size)
        return _finished(pictures, self.classes)


def _finished(pixels: Tensor, classes: int) -> Tensor:
    """Floats of their own memory: what is kept is not to be written to."""
    if classes:
        return Segmentation(classes).encode(pixels)
    if pixels.dtype == torch.uint8:
        return to_model_range(pixels)
    return pixels.clone(memory_format=torch.contiguous_format)


def _stack(pictures: Sequence[Tensor]) -> Tensor:
    """Stacked as they lie in memory: decoders give (H, W, C), and to exchange axes is the device's business."""
    if pictures[0].stride(0) == 1:
        return torch.stack([picture.permute(1, 2, 0) for picture in pictures]).permute(0, 3, 1, 2)
    return torch.stack(list(pictures))


def _gather(pictures: Tensor, placements: Tensor, size: tuple[int, int]) -> Tensor:
    """All crops and flips as one gather."""
    top, left, flip = placements[:, :, None].unbind(1)
    rows = top + torch.arange(size[0], device=pictures.device)
    across = torch.arange(size[1], device=pictures.device)
    columns = left + torch.where(flip.bool(), across.flip(0), across)
    picture, channel = (torch.arange(n, device=pictures.device) for n in pictures.shape[:2])
    return pictures[
        picture[:, None, None, None], channel[:, None, None], rows[:, None, :, None], columns[:, None, None, :]
    ]
