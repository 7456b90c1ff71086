"""A budget for the area of an attention map."""

from __future__ import annotations

from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.precision import full
from gankit.slots import Ge, Le


class AttentionArea(nn.Module):
    """Keeps the share of a picture that attention covers between `least` and `most`; gankit's own.

    forward(attention) -> scalar. attention: (N, 1, H, W) in [0, 1]. The area of a picture is the mean of its map. The
    loss is the mean of relu(area - most) + relu(least - area): nothing inside the budget, and a constant pull outside
    of it. GANimation (arXiv 1807.09251) penalizes the map's squared norm for the same reason, that attention saturates
    to 1 everywhere. The lower end, against maps that vanish, is added here. Raises ValueError when least > most.

    Args:
        least, most: the smallest and the largest area that cost nothing, as shares of the picture.
    """

    def __init__(
        self, least: Annotated[float, Ge(0), Le(1)] = 0.05, most: Annotated[float, Ge(0), Le(1)] = 0.3
    ) -> None:
        super().__init__()
        if least > most:
            raise ValueError(f"least ({least}) must not be above most ({most})")
        self.least = least
        self.most = most

    def forward(self, attention: Tensor) -> Tensor:
        area = full(attention).flatten(1).mean(1)
        return (F.relu(area - self.most) + F.relu(self.least - area)).mean()

    def extra_repr(self) -> str:
        return f"least={self.least}, most={self.most}"
