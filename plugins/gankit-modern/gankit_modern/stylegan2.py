"""StyleGAN2's layers as a generator and a critic of pictures (arXiv 1912.04958; CUT's code, arXiv 2007.15651)."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import Annotated, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.discriminators import check_input
from gankit.layers import check_image
from gankit.slots import Ge, Le

SLOPE = 0.2
EPS = 1e-8


class Blur(nn.Module):
    """The smooth filter [1, 3, 3, 1] along both sides, so that halving and doubling make no false patterns.

    (N, C, H, W) -> (N, C, H + sum of pad - 3, W + the same). pad: zeros before and behind. gain: what a flat picture is
    multiplied by.
    """

    kernel: Tensor

    def __init__(self, pad: tuple[int, int], gain: float = 1.0) -> None:
        super().__init__()
        self.pad = pad
        taps = torch.tensor([1.0, 3.0, 3.0, 1.0]) / 8
        self.register_buffer("kernel", gain * taps[:, None] * taps, persistent=False)

    def forward(self, x: Tensor) -> Tensor:
        kernel = self.kernel.to(x.dtype).expand(x.shape[1], 1, 4, 4)
        return F.conv2d(F.pad(x, (*self.pad, *self.pad)), kernel, groups=x.shape[1])


class Biased(nn.Module):
    """A bias, a leaky ReLU and a factor of sqrt(2), which keeps the variance."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        bias = self.bias.to(x.dtype).view(-1, *[1] * (x.ndim - 2))
        return F.leaky_relu(x + bias, SLOPE) * math.sqrt(2)


class Scaled(nn.Module):
    """A weight that is learned at variance 1 and used at 1 / fan-in (arXiv 1710.10196): rates act on all layers alike,
    and a method's `init` leaves it alone. kernel: of a convolution; None: it is that of a linear layer."""

    def __init__(self, incoming: int, outgoing: int, kernel: int | None = None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(outgoing, incoming, *([] if kernel is None else [kernel, kernel])))
        self.scale = 1 / math.sqrt(self.weight[0].numel())

    def extra_repr(self) -> str:
        return ", ".join(map(str, self.weight.shape))


class Convolution(Scaled):
    """(N, incoming, H, W) -> (N, outgoing, H, W), or half the size after a blur; odd kernels."""

    def __init__(self, incoming: int, outgoing: int, kernel: int, halve: bool = False) -> None:
        super().__init__(incoming, outgoing, kernel)
        reach = kernel + 1  # pixels that the blur and the kernel reach beyond the picture
        self.blur = Blur(((reach + 1) // 2, reach // 2)) if halve else None
        self.padding = 0 if halve else kernel // 2

    def forward(self, x: Tensor) -> Tensor:
        if self.blur is None:
            return F.conv2d(x, self.weight * self.scale, padding=self.padding)
        return F.conv2d(self.blur(x), self.weight * self.scale, stride=2)


class Linear(Scaled):
    """(N, incoming) -> (N, outgoing), without a bias."""

    def forward(self, x: Tensor) -> Tensor:
        return F.linear(x, self.weight * self.scale)


class Doubling(Scaled):
    """(N, incoming, h, w) -> (N, outgoing, 2h, 2w): a 3x3 convolution at twice the size and a blur; then noise.

    The weights of each outgoing channel are brought to length 1, as StyleGAN2's demodulation does where no style is.
    noise: in training, one normal number for each place is added to all channels, with a factor that begins at 0; in
    evaluation, where CUT's code draws too, its mean, which is 0.
    """

    def __init__(self, incoming: int, outgoing: int, noise: bool) -> None:
        super().__init__(incoming, outgoing, 3)
        self.blur = Blur((1, 1), gain=4.0)
        self.strength = nn.Parameter(torch.zeros(1)) if noise else None

    def forward(self, x: Tensor) -> Tensor:
        weight = self.weight * self.scale
        weight = weight * (weight.square().sum((1, 2, 3), keepdim=True) + EPS).rsqrt()
        x = self.blur(F.conv_transpose2d(x, weight.transpose(0, 1), stride=2))
        if self.strength is None or not self.training:
            return x
        noise = torch.randn(len(x), 1, *x.shape[2:], device=x.device, dtype=x.dtype)
        return x + self.strength.to(x.dtype) * noise


class Residual(nn.Module):
    """Two convolutions and a way around them, over sqrt(2): (N, incoming, H, W) -> (N, outgoing, H, W), or halved."""

    def __init__(self, incoming: int, outgoing: int, halve: bool) -> None:
        super().__init__()
        self.inner = nn.Sequential(
            *(Convolution(incoming, incoming, 3), Biased(incoming)),
            *(Convolution(incoming, outgoing, 3, halve), Biased(outgoing)),
        )
        self.skip = Convolution(incoming, outgoing, 1, halve) if halve or incoming != outgoing else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return (self.inner(x) + self.skip(x)) / math.sqrt(2)


class StyleGAN2Resnet(nn.Module):
    """A residual generator of StyleGAN2's layers, without styles (CUT's code, arXiv 2007.15651; arXiv 1912.04958).

    (N, in_channels, H, W) in [-1, 1] -> (N, out_channels, H, W); in evaluation cut to [-1, 1], in training nothing
    bounds it. Sides must be multiples of 2^downs, else ValueError. No norms: weights are scaled instead, so that the
    rate that they want is higher (2e-3 in CUT's training on one picture). The method's `init` does not touch them.
    `features` are those of the layers before the middle, as PatchNCE takes them.

    channels: at full size; doubled at each halving, up to 512. CUT's code takes 512 * ngf / side of the crops: 128 at
    256 px. downs: halvings, 1 there. blocks: residual blocks at the smallest size, an even number; 6 there, 2 in its
    small variant. noise: drawn in training after each doubling; the small variant has none.
    """

    overshoots = True

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 128,
        downs: Annotated[int, Ge(1), Le(10)] = 1,
        blocks: Annotated[int, Ge(0), Le(1000)] = 6,
        noise: bool = True,
    ) -> None:
        super().__init__()
        if blocks % 2:
            raise ValueError(f"half of the blocks come before the middle: `blocks` is even, not {blocks}")
        self.in_channels, self.size_multiple = in_channels, 2**downs
        widths = [max(channels, min(channels * 2**i, 512)) for i in range(downs + 1)]
        self.first = nn.Sequential(Convolution(in_channels, widths[0], 1), Biased(widths[0]))
        self.down = nn.ModuleList(Residual(widths[i], widths[i + 1], halve=True) for i in range(downs))
        self.blocks = nn.ModuleList(Residual(widths[-1], widths[-1], halve=False) for _ in range(blocks))
        self.up = nn.ModuleList(
            nn.Sequential(Doubling(widths[i + 1], widths[i], noise), Biased(widths[i])) for i in reversed(range(downs))
        )
        self.last = nn.Sequential(Convolution(widths[0], out_channels, 1), Biased(out_channels))
        self.encoding = blocks // 2
        self.feature_names = (
            *("input", "first"),
            *(f"down{i + 1}" for i in range(downs)),
            *(f"block{i + 1}" for i in range(self.encoding)),
        )

    def forward(self, x: Tensor) -> Tensor:
        *_, x = self.encode(x)
        for layer in (*self.blocks[self.encoding :], *self.up, self.last):
            x = layer(x)
        return x if self.training else x.clamp(-1, 1)

    def features(self, x: Tensor, layers: Sequence[str]) -> list[Tensor]:
        """The features named in `layers` (of `feature_names`), without the work that comes after the last of them."""
        if unknown := [name for name in layers if name not in self.feature_names]:
            raise ValueError(f"no features are called {', '.join(unknown)}; there are {', '.join(self.feature_names)}")
        last = max(map(self.feature_names.index, layers))
        found = dict(zip(self.feature_names[: last + 1], self.encode(x), strict=False))
        return [found[name] for name in layers]

    def encode(self, x: Tensor) -> Iterator[Tensor]:
        """What `feature_names` name, one after the other."""
        check_image(x, self.in_channels, multiple=self.size_multiple)
        yield x
        for layer in (self.first, *self.down, *self.blocks[: self.encoding]):
            x = layer(x)
            yield x


class StyleGAN2Critic(nn.Module):
    """StyleGAN2's critic as CUT's code has it (arXiv 1912.04958, 2007.15651): residual blocks that halve, no norms.

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> logits, no sigmoid: (N, 1) of pictures of image_size alone;
    of a patch critic (N, 1, h, w), of any size not below `min_size`. ValueError for other pictures. Pictures of a batch
    are not compared: that is `minibatch_deviation`, which takes a patch critic.

    channels: at full size; doubled at each halving, up to 384. image_size: a power of two; a patch critic halves as
    often as one of that size does. ends: `linear`, which sees the whole at 4 x 4; `patch` at 8 x 8 or `small_patch` at
    16 x 16, whose last convolutions judge each place there.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        image_size: Annotated[int, Ge(16)] = 256,
        ends: Literal["linear", "patch", "small_patch"] = "linear",
    ) -> None:
        super().__init__()
        if image_size & (image_size - 1):
            raise ValueError(f"image_size is a power of two, not {image_size}")
        left = {"linear": 4, "patch": 8, "small_patch": 16}[ends]
        halvings = (image_size // left).bit_length() - 1
        widths = [max(channels, min(channels * 2**i, 384)) for i in range(halvings + 1)]
        last = max(channels, min(channels * image_size // 4, 384))
        self.in_channels, self.min_size = in_channels, 2**halvings
        self.fixed_size = image_size if ends == "linear" else None
        self.first = nn.Sequential(Convolution(in_channels, widths[0], 1), Biased(widths[0]))
        self.down = nn.ModuleList(Residual(widths[i], widths[i + 1], halve=True) for i in range(halvings))
        self.final = nn.Sequential(Convolution(widths[-1], last, 3), Biased(last))
        if ends == "linear":
            self.head = nn.Sequential(nn.Flatten(), Linear(16 * last, last), Biased(last), Linear(last, 1))
            self.bias = nn.Parameter(torch.zeros(1))
        else:
            self.head, self.bias = Convolution(last, 1, 3), None

    def forward(self, x: Tensor) -> Tensor:
        logits = self.head(self.features(x)[0][-1])
        return logits if self.bias is None else logits + self.bias.to(logits.dtype)

    def features(self, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """What each block makes of the pictures, (N, C, h, w) each."""
        if self.fixed_size and x.shape[2:] != (self.fixed_size, self.fixed_size):
            only = f"{self.fixed_size} x {self.fixed_size} px"
            raise ValueError(
                f"this StyleGAN2 critic takes pictures of {only}, not {tuple(x.shape)}: set `image_size` to theirs, or "
                "`ends` to patch"
            )
        check_input("StyleGAN2 critic", x, self.in_channels, self.min_size)
        found = [x]
        for layer in (self.first, *self.down, self.final):
            found.append(layer(found[-1]))
        return (tuple(found[1:]),)
