"""StarGAN's generator: the label of the target domain goes in beside the picture (arXiv 1711.09020)."""

from __future__ import annotations

from functools import partial
from typing import Annotated

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.fields import Label
from gankit.layers import Conv2d, ConvNorm, ConvTranspose2d, ResidualBlock, check_image
from gankit.norms import InstanceNorm
from gankit.slots import Ge, Norm, Translated


class StarGANGenerator(nn.Module):
    """Picture and label -> picture: the label as maps beside the picture, two halvings, residual blocks, two doublings.

    forward(x, domain): pictures (N, in_channels, H, W) in [-1, 1], H and W multiples of 4 and at least 8; labels (N,),
    int64, of 0 to domains - 1 -> pictures (N, out_channels, H, W) in [-1, 1]. The label becomes `domains` maps, one of
    ones and the others of zeros. Padding is with zeros. Convolutions have no bias where the norm has an offset. With
    `attention` it returns `Translated(image, attention (N, 1, H, W) in [0, 1])`.

    Args:
        domains: how many labels there are.
        channels: of the first layer; four times that at the bottleneck.
        blocks: residual blocks, 6 in the paper.
        norm: after each convolution but the last; the paper's has a scale and an offset.
        halvings: how often the size is halved, and doubled again, 2 in the paper; sides must be multiples of
            2^halvings. The width at the bottleneck is 2^halvings times `channels`.
        kernel: side of the first and the last convolution, odd; 7 in the paper.
        attention: the last convolution also draws a map: where it is 1 the new picture is seen, where it is 0 the given
            one (GANimation's, arXiv 1807.09251). The paper has none.

    Raises:
        ValueError: of the constructor, for an even kernel, or an attention between pictures of unlike channels; of the
            forward, for a wrong number of channels or size.

    Paper: arXiv 1711.09020, table 4. The authors' code keeps running statistics in its norms; these have none.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        domains: Annotated[int, Ge(2)] = 5,
        channels: Annotated[int, Ge(1)] = 64,
        blocks: Annotated[int, Ge(0)] = 6,
        norm: Norm = partial(InstanceNorm, affine=True),
        halvings: Annotated[int, Ge(0)] = 2,
        kernel: Annotated[int, Ge(1)] = 7,
        attention: bool = False,
    ) -> None:
        super().__init__()
        if kernel % 2 == 0:
            raise ValueError(f"an even kernel would change the size: set `kernel` to an odd number, not {kernel}")
        if attention and in_channels != out_channels:
            raise ValueError(
                f"an attention joins pictures of one kind, not of {in_channels} and {out_channels} channels"
            )
        self.in_channels, self.domains, self.attention = in_channels, domains, attention
        self.takes = {"domain": Label(domains)}
        self.offers = frozenset({"attention"} if attention else ())
        self.size_multiple, self.min_size = 2**halvings, 2 ** (halvings + 1)
        widths = [channels * 2**i for i in range(halvings + 1)]
        bias = "bias" not in dict(norm(channels).named_parameters())  # the norm adds its own
        stem = partial(Conv2d, in_channels + domains, channels, kernel, padding=kernel // 2)
        down = [partial(Conv2d, width, 2 * width, 4, 2, 1) for width in widths[:-1]]
        up = [partial(ConvTranspose2d, width, width // 2, 4, 2, 1) for width in widths[:0:-1]]
        self.stem = ConvNorm(stem, norm(channels), bias=bias)
        self.down = nn.ModuleList(ConvNorm(c, norm(w), bias=bias) for c, w in zip(down, widths[1:], strict=True))
        self.blocks = nn.ModuleList(ResidualBlock(widths[-1], norm, padding="zero", bias=bias) for _ in range(blocks))
        self.up = nn.ModuleList(ConvNorm(c, norm(w), bias=bias) for c, w in zip(up, widths[-2::-1], strict=True))
        self.head = nn.Conv2d(channels, out_channels + attention, kernel, padding=kernel // 2, bias=bias)

    def forward(self, x: Tensor, domain: Tensor) -> Tensor | Translated:
        check_image(x, self.in_channels, multiple=self.size_multiple, minimum=self.min_size)
        maps = F.one_hot(domain, self.domains).to(x.dtype)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        y = self.stem(torch.cat([x, maps], 1))
        for layer in (*self.down, *self.blocks, *self.up):
            y = layer(y)
        y = self.head(y)
        if not self.attention:
            return torch.tanh(y)
        drawn, where = torch.tanh(y[:, :-1]), torch.sigmoid(y[:, -1:])
        return Translated(x + where * (drawn - x), where)
