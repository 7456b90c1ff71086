"""The U-Net of partial convolutions."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Annotated, ClassVar, Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.fields import Field, Mask
from gankit.generators.holes import check_hole, known_of, least_side, widths_of
from gankit.generators.pconv_layers import PartialConv2d
from gankit.layers import check_image
from gankit.norms.batch import BatchNorm
from gankit.norms.rules import is_adaptive, normed
from gankit.slots import Ge, Le, Norm

MEAN, DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)
"""Of ImageNet's pictures in [0, 1]."""
KERNELS = (7, 5, 5)  # of the first levels; the others have 3


class PConvUNet(nn.Module):
    """Fills holes: a U-Net of partial convolutions, whose mask shrinks from layer to layer.

    forward(x, hole): pictures (N, in_channels, H, W) in [-1, 1] and holes (N, 1, H, W), 1 = to fill, -> pictures (N,
    out_channels, H, W), the known part included. The content of the holes is ignored. Sides must be multiples of
    2^downs. Inside, values are in [0, 1] and holes are black. Places that no known pixel reaches are black.

    Args:
        channels: the width after the first halving. It is doubled three times.
        downs: the number of halvings. The paper has 8 for 512 px, and naoto0804's code 7 for 256 px.
        widths: the width after each halving, `downs` numbers in place of `channels`.
        norm: what follows each convolution but the first and the last.
        freeze_bn: whether the encoder's batch norms keep their running statistics in training. The paper does so for
            fine-tuning, when the first phase is done.
        window_factor: whether partial convolutions multiply by the size of their window, see `PartialConv2d`. False is
            for weights of naoto0804's code.
        image: what makes the picture of the last features. `linear`, as in the paper, is clamped to [-1, 1] in
            evaluation, and only near that range in training. `tanh` is always in it.
        normalize: `imagenet` subtracts ImageNet's mean inside and divides by its deviation, so that values are not in
            [0, 1], and makes a `linear` image of such values. It is for weights of naoto0804's code, and only for RGB.

    Raises:
        ValueError: an adaptive norm, `imagenet` for other pictures than RGB, widths that are not `downs`; in the
            forward, a wrong number of channels or size.

    Paper: arXiv 1804.07723.
    """

    offers: frozenset[str] = frozenset()
    takes: ClassVar[Mapping[str, Field]] = {"hole": Mask()}
    mean: Tensor
    deviation: Tensor

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        downs: Annotated[int, Ge(2), Le(15)] = 7,
        widths: list[Annotated[int, Ge(1)]] | None = None,
        norm: Norm = BatchNorm,
        freeze_bn: bool = False,
        window_factor: bool = True,
        image: Literal["linear", "tanh"] = "linear",
        normalize: Literal["none", "imagenet"] = "none",
    ) -> None:
        super().__init__()
        imagenet = normalize == "imagenet"
        if imagenet and {in_channels, out_channels} != {3}:
            raise ValueError(f"normalize: imagenet is for 3 channels; these pictures have {in_channels}")
        wide = widths_of(channels, downs, widths)
        if is_adaptive(probe := norm(wide[-1])):
            raise ValueError(
                f"the PConv U-Net has no style to give to the adaptive norm {type(probe).__name__}; take another norm"
            )
        self.in_channels, self.image, self.freeze_bn = in_channels, image, freeze_bn
        self.size_multiple, self.min_size = 2**downs, least_side(probe, wide[-1], downs)
        self.overshoots = image == "linear"  # in training
        mean, deviation = (MEAN, DEVIATION) if imagenet else ([0.0], [1.0])
        self.register_buffer("mean", torch.tensor(mean).view(1, -1, 1, 1), persistent=False)
        self.register_buffer("deviation", torch.tensor(deviation).view(1, -1, 1, 1), persistent=False)

        def conv(i: int, o: int, kernel: int, stride: int = 1, bias: bool = False) -> PartialConv2d:
            return PartialConv2d(i, o, kernel, stride, kernel // 2, bias, window_factor=window_factor)

        levels = range(downs)
        before = [in_channels, *wide]
        kernels = [*KERNELS, *[3] * downs][:downs]
        self.down = nn.ModuleList(conv(before[i], wide[i], kernels[i], 2) for i in levels)
        self.down_norm = nn.ModuleList(norm(wide[i]) if i else nn.Identity() for i in levels)
        # up[i] undoes down[i]: it sees what comes from below beside what down[i] saw.
        self.up = nn.ModuleList(
            conv(wide[i] + before[i], wide[i - 1] if i else out_channels, 3, bias=i == 0) for i in levels
        )
        self.up_norm = nn.ModuleList(norm(wide[i - 1]) if i else nn.Identity() for i in levels)

    def train(self, mode: bool = True) -> PConvUNet:
        super().train(mode)
        if self.freeze_bn:
            for module in self.down_norm.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.eval()
        return self

    def forward(self, x: Tensor, hole: Tensor) -> Tensor:
        return self._bounded(self._filled(x, hole))

    def stages(self) -> list[Callable[..., Tensor]]:
        """Functions whose composition is the forward: what is computed in tiles is measured one by one."""
        return [self._filled, self._bounded]

    def _filled(self, x: Tensor, hole: Tensor) -> Tensor:
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        check_hole(x, hole)
        known = known_of(x, hole)
        inside = ((x + 1) / 2 - self.mean) / self.deviation
        return self.fill(inside * known, known.expand(-1, self.in_channels, -1, -1))[0]

    def _bounded(self, y: Tensor) -> Tensor:
        if self.image == "tanh":
            return torch.tanh(y)
        y = 2 * (y * self.deviation + self.mean) - 1
        return y if self.training else y.clamp(-1, 1)

    def fill(self, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """Picture and mask, both (N, in_channels, H, W) in [0, 1], -> the last convolution's result and mask."""
        seen = []
        for conv, norm in zip(self.down, self.down_norm, strict=True):
            seen.append((x, known))
            x, known = self._partial(conv, x, known)
            x = normed(norm, x, slope=0.0)
        for i in reversed(range(len(self.up))):
            skip, skip_known = seen.pop()
            x = torch.cat([F.interpolate(x, scale_factor=2.0), skip], 1)
            known = torch.cat([F.interpolate(known, scale_factor=2.0), skip_known], 1)
            x, known = self._partial(self.up[i], x, known)
            if i:
                x = normed(self.up_norm[i], x, slope=0.2)
        return x, known

    @staticmethod
    def _partial(conv: nn.Module, x: Tensor, known: Tensor) -> tuple[Tensor, Tensor]:
        """A mask for each channel, also where a grey picture's one mask stands for all."""
        y, known = conv(x, known)
        return y, known.expand_as(y)
