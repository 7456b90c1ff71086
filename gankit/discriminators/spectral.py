"""Spectral normalization (arXiv 1802.05957) as layers of their own.

One power iteration in every forward in training mode, none in evaluation, as in torch's first `spectral_norm`, which
the reference code of U-GAT-IT uses. torch's present parametrization starts with 15 iterations and cannot be pickled.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gankit.precision import without_autocast

EPS = 1e-12


class SpectralWeight(nn.Module):
    """Mixin of a layer whose weight is divided by its largest singular value, as estimated by the buffers u and v.

    `weight` is the parameter as it is learned; `normalized_weight()` is what the layer computes with. The estimate runs
    in float32 at least, outside of autocast. The weight is seen as a matrix (out, everything else).
    """

    weight: nn.Parameter
    u: Tensor
    v: Tensor

    def add_estimate(self) -> None:
        for name, size in zip("uv", self.weight.flatten(1).shape, strict=True):
            vector = torch.empty(size)
            if not vector.is_meta:  # nothing to draw there; torch would load its compiler, for seconds
                vector = F.normalize(vector.normal_(), dim=0, eps=EPS)
            self.register_buffer(name, vector)

    def normalized_weight(self) -> Tensor:
        """The weight over its spectral norm; in training mode, after one power iteration."""
        with without_autocast(self.weight):
            dtype = torch.promote_types(self.weight.dtype, torch.float32)
            matrix = self.weight.flatten(1).to(dtype)
            # Copies: the buffers may move on before the backward pass reads what this forward used.
            u, v = self.u.to(dtype, copy=True), self.v.to(dtype, copy=True)
            if self.training:
                with torch.no_grad():
                    v = F.normalize(torch.mv(matrix.t(), u), dim=0, eps=EPS)
                    u = F.normalize(torch.mv(matrix, v), dim=0, eps=EPS)
                    self.u.copy_(u)
                    self.v.copy_(v)
            sigma = torch.dot(u, torch.mv(matrix, v))
            return (self.weight.to(dtype) / sigma).to(self.weight.dtype)


class SpectralConv2d(SpectralWeight, nn.Conv2d):
    """A convolution with a spectrally normalized weight: (N, in_channels, H, W) -> (N, out_channels, h, w)."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        stride: int = 1,
        padding: int = 0,
        bias: bool = True,
    ) -> None:
        nn.Conv2d.__init__(self, in_channels, out_channels, kernel_size, stride, padding, bias=bias)
        self.add_estimate()

    def forward(self, input: Tensor) -> Tensor:
        return F.conv2d(input, self.normalized_weight(), self.bias, self.stride, self.padding)  # type: ignore[arg-type]


class SpectralLinear(SpectralWeight, nn.Linear):
    """A linear layer with a spectrally normalized weight: (..., in_features) -> (..., out_features)."""

    def __init__(self, in_features: int, out_features: int, bias: bool = True) -> None:
        nn.Linear.__init__(self, in_features, out_features, bias=bias)
        self.add_estimate()

    def forward(self, input: Tensor) -> Tensor:
        return F.linear(input, self.normalized_weight(), self.bias)
