"""Layers that several components are made of: padded convolutions, resampling, the residual block."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, cast

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.conditions import STYLE, Conditions, chosen, takes_of, wants
from gankit.fields import Field
from gankit.norms.rules import cancels_bias, conv_bias, normed

Padding = Literal["reflect", "replicate", "zero"]
Geometry = Literal["symmetric", "tensorflow"]
"""Where the odd column of padding of a stride-2 layer goes: TensorFlow's SAME puts it at the right and bottom."""
Activation = Callable[[Tensor], Tensor]


def conv(
    in_channels: int,
    out_channels: int,
    kernel: int,
    *,
    stride: int = 1,
    padding: Padding = "reflect",
    geometry: Geometry = "symmetric",
    bias: bool = True,
) -> nn.Conv2d:
    """A convolution with an odd kernel that keeps the size (divides it by `stride`, rounding up)."""
    if kernel % 2 == 0:
        raise ValueError(f"a convolution that keeps the size needs an odd kernel; got {kernel}")
    if geometry == "tensorflow" and stride > 1:
        return SameConv2d(in_channels, out_channels, kernel, stride, bias=bias)
    mode = "zeros" if padding == "zero" else padding
    return Conv2d(in_channels, out_channels, kernel, stride, kernel // 2, padding_mode=mode, bias=bias)


class Conv2d(nn.Conv2d):
    """torch's convolution, which can leave out its bias."""

    adds_bias = True

    def forward(self, input: Tensor) -> Tensor:
        (down, across), padding = self.padding, self.padding
        if self.padding_mode != "zeros":
            input, padding = F.pad(input, (across, across, down, down), mode=self.padding_mode), 0  # type: ignore[misc]
        bias = self.bias if self.adds_bias else None
        return F.conv2d(input, self.weight, bias, self.stride, padding, self.dilation, self.groups)


class ZeroConv2d(Conv2d):
    """A convolution that begins at 0, however the weights around it are drawn."""

    keeps_weights = True

    def reset_parameters(self) -> None:
        for parameter in self.parameters(recurse=False):
            nn.init.zeros_(parameter)


class ConvTranspose2d(nn.ConvTranspose2d):
    """torch's transposed convolution, which can leave out its bias."""

    adds_bias = True

    def forward(self, input: Tensor) -> Tensor:
        padding, more = cast(tuple[int, ...], self.padding), self.output_padding
        bias = self.bias if self.adds_bias else None
        return F.conv_transpose2d(input, self.weight, bias, self.stride, padding, more, self.groups, self.dilation)


def leave_bias(convolution: nn.Module) -> None:
    """From here on a convolution of ours, or one that ends a sequence, neither adds nor learns its bias."""
    if isinstance(convolution, nn.Sequential):
        leave_bias(convolution[-1])
    elif isinstance(convolution, Conv2d | ConvTranspose2d):
        convolution.adds_bias = False
        if convolution.bias is not None:
            convolution.bias.requires_grad_(False)


class Pad(nn.Module):
    """Pad all four sides by `amount` pixels."""

    def __init__(self, amount: int, padding: Padding) -> None:
        super().__init__()
        self.amount, self.padding = amount, padding

    def forward(self, x: Tensor) -> Tensor:
        return F.pad(x, (self.amount,) * 4, mode="constant" if self.padding == "zero" else self.padding)

    def extra_repr(self) -> str:
        return f"{self.amount}, {self.padding!r}"


class SameConv2d(Conv2d):
    """TensorFlow's padding SAME: as much zero padding as the size needs, the odd column right and below."""

    def forward(self, input: Tensor) -> Tensor:
        pad: list[int] = []
        for axis in (3, 2):
            size, kernel, stride = input.shape[axis], self.kernel_size[axis - 2], self.stride[axis - 2]
            total = max((-(-size // stride) - 1) * stride + kernel - size, 0)
            pad += [total // 2, total - total // 2]
        return super().forward(F.pad(input, pad))


class SameConvTranspose2d(nn.ConvTranspose2d):
    """TensorFlow's transposed convolution with padding SAME: the output is `stride` times the input, cut right and
    below."""

    def forward(self, input: Tensor, output_size: list[int] | None = None) -> Tensor:
        height, width = (size * stride for size, stride in zip(input.shape[2:], self.stride, strict=True))
        return super().forward(input)[:, :, :height, :width]


class BlurDown(nn.Module):
    """Halve the size after a blur with the binomial filter [1, 2, 1] (arXiv 1904.11486; CUT's `Downsample`)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _outer([1, 2, 1]) / 16, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 3, 3)
        return F.conv2d(F.pad(x, (1, 1, 1, 1), mode="reflect"), kernel, stride=2, groups=channels)


class BlurUp(nn.Module):
    """Double the size with the smooth filter [1, 3, 3, 1] (arXiv 1904.11486; CUT's `Upsample`)."""

    kernel: Tensor

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("kernel", _outer([1, 3, 3, 1]) / 16, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        channels = x.shape[1]
        kernel = self.kernel.to(x.dtype).expand(channels, 1, 4, 4)
        padded = F.pad(x, (1, 1, 1, 1), mode="replicate")
        return F.conv_transpose2d(padded, kernel, stride=2, padding=3, groups=channels)


def _outer(taps: list[int]) -> Tensor:
    row = torch.tensor(taps, dtype=torch.float32)
    return torch.outer(row, row)[None, None]


class ConvNorm(nn.Module):
    """Convolution, norm, and an activation unless `relu=False`.

    Args:
        conv: makes the convolution, given `bias`.
        norm: the built norm; what it asks for beside x must be among the conditions of the forward. A map comes in the
            size of the picture.
        bias: of the convolution; None follows the norm's rule.
        activation: what follows the norm.
        tapped: the convolution's own result is looked at too. Else a bias that the norm takes off again is kept in the
            state, so that checkpoints of the reference codes load, but neither added nor learned.
    """

    def __init__(
        self,
        conv: Callable[..., nn.Module],
        norm: nn.Module,
        *,
        relu: bool = True,
        bias: bool | None = None,
        activation: Activation = F.relu,
        tapped: bool = False,
    ) -> None:
        super().__init__()
        self.conv = conv(bias=conv_bias(norm) if bias is None else bias)
        if cancels_bias(norm) and not tapped:
            leave_bias(self.conv)
        self.norm, self.wants = norm, wants(norm)
        self.relu = relu
        self.activation = activation

    def forward(self, x: Tensor, conditions: Conditions | None = None, residual: Tensor | None = None) -> Tensor:
        """residual: added before the activation."""
        return self.finish(self.conv(x), conditions, residual)

    def finish(self, x: Tensor, conditions: Conditions | None = None, residual: Tensor | None = None) -> Tensor:
        """What follows the convolution."""
        values = chosen(self.wants, conditions)
        slope = slope_of(self.activation) if self.relu else 1.0
        if slope is not None:
            return normed(self.norm, x, values, slope=slope, residual=residual)
        return self.activation(normed(self.norm, x, values, residual=residual))


def taken_inside(host: nn.Module) -> dict[str, Field]:
    """What the parts of a host want of the batch: what a host that passes all on declares as its own `takes`.

    Raises ValueError where a norm does not say what it asks for, or two parts disagree on it.
    """
    fields: dict[str, Field] = {}
    for part in host.modules():
        if isinstance(part, ConvNorm):
            unsaid = [name for name in part.wants if name not in (*STYLE, *takes_of(part.norm))]
            if unsaid:
                kind = type(part.norm).__name__
                raise ValueError(f"{kind} asks for `{unsaid[0]}`, and its `takes` does not say what that is")
        for name, field in ({} if part is host else takes_of(part)).items():
            if fields.setdefault(name, field) != field:
                raise ValueError(f"its parts disagree on what `{name}` is: {fields[name].words}, and {field.words}")
    return fields


def slope_of(activation: Activation) -> float | None:
    """The slope below 0 of a ReLU (0) or leaky ReLU; None for other activations."""
    if activation is F.relu:
        return 0.0
    if isinstance(activation, partial) and activation.func is F.leaky_relu:
        return activation.keywords.get("negative_slope", 0.01)
    return None


class ResidualBlock(nn.Module):
    """x + norm(conv(relu(norm(conv(x))))), with 3x3 convolutions; (N, C, H, W) -> the same shape.

    Args:
        norm: a factory; what such norms ask for beside x must be among the conditions of the forward.
        dropout: drop half of the features between the convolutions, in training.
        relu_after_sum: rectify the sum (the code of AGIT).
        bias: of the convolutions; None follows the norm's rule.
        activation: between the convolutions.
    """

    def __init__(
        self,
        channels: int,
        norm: Callable[..., nn.Module],
        *,
        padding: Padding = "reflect",
        dropout: bool = False,
        relu_after_sum: bool = False,
        bias: bool | None = None,
        activation: Activation = F.relu,
    ) -> None:
        super().__init__()

        def convolution(**options: Any) -> nn.Module:
            return conv(channels, channels, 3, padding=padding, **options)

        self.first = ConvNorm(convolution, norm(channels), bias=bias, activation=activation)
        self.dropout = nn.Dropout(0.5) if dropout else nn.Identity()
        self.second = ConvNorm(convolution, norm(channels), relu=relu_after_sum, bias=bias)

    def forward(self, x: Tensor, conditions: Conditions | None = None, second: Conditions | None = None) -> Tensor:
        """conditions: of both norms, or of the first where the `second` has its own."""
        after = conditions if second is None else second
        return self.second(self.dropout(self.first(x, conditions)), after, residual=x)


def check_image(x: Tensor, channels: int, *, multiple: int = 1, minimum: int = 1) -> None:
    """Raise a ValueError unless x is (N, channels, H, W) with sides >= minimum that are multiples of `multiple`."""
    if x.ndim != 4 or x.shape[1] != channels:
        raise ValueError(f"expected a batch of shape (N, {channels}, H, W); got {tuple(x.shape)}")
    height, width = x.shape[2:]
    if height % multiple or width % multiple:
        raise ValueError(f"sides must be multiples of {multiple}; got {height}x{width}")
    if height < minimum or width < minimum:
        raise ValueError(f"sides must be at least {minimum}; got {height}x{width}")
