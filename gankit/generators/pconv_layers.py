"""Partial convolution (Liu et al. 2018, arXiv 1804.07723)."""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.precision import full


class PartialConv2d(nn.Conv2d):
    """A convolution over the known pixels alone: W(x m) * size of the window / sum of m + b, 0 where nothing is known.

    forward(x, mask): x (N, in_channels, H, W); mask, 1 = known, (N, in_channels, H, W), or (N, 1, H, W) for all
    channels -> the result (N, out_channels, h, w), and the mask of the next layer, 1 where the window holds any known
    pixel: (N, out_channels, h, w), or (N, 1, h, w) as it came. Zero padding counts as unknown, so borders are
    normalised too. The mask takes no part in gradients, and its sums are float32 under autocast.

    window_factor: False leaves the size of the window out, as naoto0804's code does: results are smaller by
    kernel^2 * in_channels, and its weights depend on that.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
        *,
        window_factor: bool = True,
    ) -> None:
        super().__init__(in_channels, out_channels, kernel, stride, padding, bias=bias)
        self.window_factor = window_factor

    def forward(self, x: Tensor, mask: Tensor) -> tuple[Tensor, Tensor]:  # type: ignore[override]
        if mask.shape[1] not in (1, x.shape[1]) or mask.shape[2:] != x.shape[2:]:
            raise ValueError(f"a mask of {tuple(x.shape)} has one channel or as many; got {tuple(mask.shape)}")
        single = mask.shape[1] == 1
        with torch.no_grad():
            count = self._known(full(mask))
            updated = count.clamp(max=1)
            window = self.kernel_size[0] ** 2 * (1 if single else self.in_channels) if self.window_factor else 1
            ratio = window * updated / count.clamp(min=1e-8)
        y = F.conv2d(x * mask, self.weight, None, self.stride, self.padding) * ratio
        if self.bias is not None:
            y = y + self.bias[:, None, None] * updated
        return y, updated if single else updated.expand(-1, self.out_channels, -1, -1)

    def _known(self, mask: Tensor) -> Tensor:
        """How many values of each window are known, (N, 1, h, w): the same for all output channels."""
        total = mask.sum(1, keepdim=True)
        # Not a pooling with another divisor, which ONNX does not have.
        return F.conv2d(total, total.new_ones(1, 1, *self.kernel_size), None, self.stride, self.padding)

    def extra_repr(self) -> str:
        return f"{super().extra_repr()}, window_factor={self.window_factor}"
