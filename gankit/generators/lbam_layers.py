"""Layers with learnable attention maps (Xie et al. 2019, arXiv 1909.00968).

A mask travels beside the features. Convolutions of its own turn it into a map that weights the features, and into the
mask of the next layer. The forward maps begin with the known part of the picture, the reverse ones with the hole.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import ClassVar, Literal, NamedTuple

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.norms.none import NoNorm
from gankit.precision import full

Activation = Literal["leaky_relu", "relu", "sigmoid", "tanh", "prelu", "none"]
Attention = Literal["gaussian", "sigmoid", "relu", "leaky_relu"]
Factory = Callable[[int], nn.Module]

ACTIVATIONS: dict[str, Callable[[], nn.Module]] = {
    "leaky_relu": partial(nn.LeakyReLU, 0.2),
    "relu": nn.ReLU,
    "sigmoid": nn.Sigmoid,
    "tanh": nn.Tanh,
    "prelu": nn.PReLU,
    "none": nn.Identity,
}
"""What the authors' code has for features; its network uses leaky_relu alone."""


class AsymmetricGaussian(nn.Module):
    """g_A: a mask's convolution -> an attention map of the same shape; rises like a Gaussian, then falls to 1.

    a exp(-left (m - mu)^2) where m < mu, else 1 + (a - 1) exp(-right (m - mu)^2). The four learnable scalars live in
    `bounds`: what an optimizer moved beyond them is moved back at the next forward in training. That is a projection:
    the gradient passes as if there were no bounds, so that a parameter at its bound can leave it.
    """

    bounds: ClassVar[dict[str, tuple[float, float]]] = {
        "a": (1.01, 6.0),
        "mu": (0.1, 3.0),
        "left": (0.5, 2.0),
        "right": (0.5, 2.0),
    }

    def __init__(self, a: float = 1.1, mu: float = 2.0, left: float = 1.0, right: float = 1.0) -> None:
        super().__init__()
        self.a = nn.Parameter(torch.tensor(a))
        self.mu = nn.Parameter(torch.tensor(mu))
        self.left = nn.Parameter(torch.tensor(left))
        self.right = nn.Parameter(torch.tensor(right))

    def forward(self, m: Tensor) -> Tensor:
        a, mu, left, right = (self._bounded(name) for name in ("a", "mu", "left", "right"))
        m = full(m)
        square = (m - mu).square()
        return torch.where(m < mu, a * torch.exp(-left * square), 1 + (a - 1) * torch.exp(-right * square))

    def _bounded(self, name: str) -> Tensor:
        """The value within its bounds, with the gradient of the parameter itself."""
        parameter: Tensor = getattr(self, name)
        low, high = self.bounds[name]
        if self.training:
            with torch.no_grad():
                parameter.clamp_(low, high)
        # Not the parameter itself: another forward may project it between this one and its backward.
        return parameter.detach().clamp(low, high) + (parameter - parameter.detach())


class MaskUpdate(nn.Module):
    """g_M: a mask's convolution -> the mask of the next layer, relu(m)^alpha; any shape.

    In float32 under autocast: the slope near 0 is steep. At m <= 0, which is common, the gradient is 0.
    """

    def __init__(self, alpha: float = 0.8) -> None:
        super().__init__()
        self.alpha = alpha

    def forward(self, m: Tensor) -> Tensor:
        # relu, not m * (m > 0): its gradient is chosen, not multiplied, so that the infinite slope at 0 never shows.
        return F.relu(full(m)).pow(self.alpha)

    def extra_repr(self) -> str:
        return f"alpha={self.alpha}"


class Masked(NamedTuple):
    """What becomes of a mask, both (N, out_channels, h, w), or (N, 1, h, w) from a `FixedMask`: the attention map, and
    the mask of the next layer."""

    map: Tensor
    mask: Tensor


class FixedMask(nn.Module):
    """A mask that moves on without learning, as beside a partial convolution (arXiv 1804.07723).

    forward(mask): (N, C, H, W) in [0, 1], the same in all channels -> Masked, of one channel. With m, the mean of a
    window, the map is 1 / m and the next mask 1 where m > 0; both are 0 elsewhere. Zero padding counts as 0.

    The unlearned row of LBAM's ablation: each weight of its mask convolutions is 1 / kernel^2, which makes this mean.
    """

    def __init__(self, kernel: int = 4, stride: int = 2, padding: int = 1) -> None:
        super().__init__()
        self.window = kernel, stride, padding

    def forward(self, mask: Tensor) -> Masked:
        mean = F.avg_pool2d(full(mask[:, :1]), *self.window)
        some = mean > 0
        return Masked(torch.where(some, 1 / mean.clamp(min=1e-8), 0.0), some.to(mean.dtype))

    def extra_repr(self) -> str:
        kernel, stride, padding = self.window
        return f"{kernel=}, {stride=}, {padding=}"


class Weighted(NamedTuple):
    """What a `ForwardAttention` returns, all (N, out_channels, h, w): the features; the mask of the next layer; the
    convolution before attention, which is the skip; the attention map. With fixed masks, mask and map have one channel.
    """

    features: Tensor
    mask: Tensor
    before: Tensor
    map: Tensor


class ForwardAttention(nn.Module):
    """A convolution whose result is weighted by a map learned from the mask.

    forward(x, mask): (N, in_channels, H, W) and (N, mask_channels, H, W) -> Weighted. After the map come the norm and
    the activation. Both convolutions start from N(0, 0.02). attention: what makes the map of the mask's convolution.
    fixed: a `FixedMask` instead, with nothing to learn.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        mask_channels: int | None = None,
        *,
        kernel: int = 4,
        stride: int = 2,
        padding: int = 1,
        bias: bool = False,
        norm: Factory = NoNorm,
        activation: Activation = "leaky_relu",
        attention: Attention = "gaussian",
        alpha: float = 0.8,
        fixed: bool = False,
    ) -> None:
        super().__init__()
        self.conv = drawn(nn.Conv2d(in_channels, out_channels, kernel, stride, padding, bias=bias))
        self.fixed = FixedMask(kernel, stride, padding) if fixed else None
        if not fixed:
            channels = in_channels if mask_channels is None else mask_channels
            self.mask_conv = drawn(nn.Conv2d(channels, out_channels, kernel, stride, padding, bias=bias))
            self.attention = AsymmetricGaussian() if attention == "gaussian" else ACTIVATIONS[attention]()
            self.update = MaskUpdate(alpha)
        self.norm = norm(out_channels)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, x: Tensor, mask: Tensor) -> Weighted:
        before, (weights, updated) = self.conv(x), self._masked(mask)
        return Weighted(self.activation(self.norm(before * weights)), updated, before, weights)

    def _masked(self, mask: Tensor) -> Masked:
        if self.fixed is not None:
            return self.fixed(mask)
        moved = self.mask_conv(mask)
        return Masked(self.attention(moved), self.update(moved))


class ReverseMask(nn.Module):
    """The reverse of a level: (N, in_channels, H, W), of the hole, -> Masked, at half the size."""

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        bias: bool = False,
        attention: Attention = "gaussian",
        alpha: float = 0.8,
    ) -> None:
        super().__init__()
        self.conv = drawn(nn.Conv2d(in_channels, out_channels, 4, 2, 1, bias=bias))
        gaussian = attention == "gaussian"
        self.attention = AsymmetricGaussian(1.1, 1.0, 0.5, 0.5) if gaussian else ACTIVATIONS[attention]()
        self.update = MaskUpdate(alpha)

    def forward(self, mask: Tensor) -> Masked:
        moved = self.conv(mask)
        return Masked(self.attention(moved), self.update(moved))


class ReverseAttention(nn.Module):
    """A level of the decoder: enlarged features beside the skip, weighted by both maps.

    forward(skip, x, map): (N, S, 2h, 2w), (N, in_channels, h, w), (N, S + out_channels, 2h, 2w) -> like the map.
    map: the forward one first, then the reverse one. skip_channels: S, of which only a norm needs to know.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        skip_channels: int,
        *,
        bias: bool = False,
        norm: Factory = NoNorm,
        activation: Activation = "leaky_relu",
    ) -> None:
        super().__init__()
        self.conv = drawn(nn.ConvTranspose2d(in_channels, out_channels, 4, 2, 1, bias=bias))
        self.norm = norm(skip_channels + out_channels)
        self.activation = ACTIVATIONS[activation]()

    def forward(self, skip: Tensor, x: Tensor, map: Tensor) -> Tensor:
        return self.activation(self.norm(torch.cat([skip, self.conv(x)], 1) * map))


def drawn(conv: nn.Conv2d | nn.ConvTranspose2d) -> nn.Conv2d | nn.ConvTranspose2d:
    """The convolution with the paper's initial weights."""
    if not conv.weight.is_meta:
        nn.init.normal_(conv.weight, 0.0, 0.02)
    return conv
