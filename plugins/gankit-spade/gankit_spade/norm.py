"""Spatially-adaptive normalization."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from torch import Tensor, nn
from torch.nn import functional as F

from gankit.conditions import at_size
from gankit.fields import Segmentation
from gankit.norms import BatchNorm
from gankit.slots import Ge, Norm


class SPADE(nn.Module):
    """Spatially-adaptive normalization (arXiv 1903.07291): scale and offset of each pixel are read off a label map.

    x (N, C, h, w), segmentation (N, classes, H, W) of 0 and 1 -> base(x) * (1 + gamma) + beta in the shape of x, where
    gamma and beta (N, C, h, w) are two convolutions of a rectified one of the map, which is brought to the size of x
    by its nearest pixels.

    Args:
        classes: of the map.
        hidden: width between the convolutions; the paper's is 128.
        kernel: side of the three convolutions, odd; the paper's is 3.
        base: the norm without scale and offset. The paper's is a batch norm over all GPUs (`batch`); for batches of a
            few pictures take `{type: instance}`.
    """

    conv_bias = True

    def __init__(
        self,
        channels: int,
        *,
        classes: Annotated[int, Ge(1)],
        hidden: Annotated[int, Ge(1)] = 128,
        kernel: Annotated[int, Ge(1)] = 3,
        base: Norm = partial(BatchNorm, affine=False),
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"spade needs an odd kernel, for the map keeps its size; got {kernel}")
        self.takes = {"segmentation": Segmentation(classes)}
        self.base = base(channels)
        self.shared = nn.Conv2d(classes, hidden, kernel, padding=kernel // 2)
        self.gamma = nn.Conv2d(hidden, channels, kernel, padding=kernel // 2)
        self.beta = nn.Conv2d(hidden, channels, kernel, padding=kernel // 2)

    def forward(self, x: Tensor, segmentation: Tensor) -> Tensor:
        seen = F.relu(self.shared(at_size(segmentation, x).to(x.dtype)))
        return self.base(x) * (1 + self.gamma(seen)) + self.beta(seen)
