"""What a norm is."""

from __future__ import annotations

from typing import Any

from gankit.contracts.declared import Declared, Function, Interface
from gankit.contracts.module import ModuleContract


def _adds_no_bias(norm: Any) -> bool:
    return getattr(norm, "bias", None) is None


EXAMPLE = '''
import gankit
import torch
from torch import Tensor, nn


@gankit.register("norm", "root_mean_square")
class RootMeanSquare(nn.Module):
    """Each place by its root mean square. (N, C, H, W) -> the same shape. gankit's own example."""

    def __init__(self, channels: int, *, eps: float = 1e-6) -> None:
        super().__init__()
        self.channels, self.eps, self.scale = channels, eps, nn.Parameter(torch.ones(channels))

    def forward(self, x: Tensor) -> Tensor:
        size = (x.float().square().mean(1, keepdim=True) + self.eps).sqrt()
        return x / size.to(x.dtype) * self.scale.to(x.dtype)[:, None, None]

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"
'''


class NormContract(ModuleContract):
    """Normalizes features.

    What it wants beside x it asks for by name, as arguments of its forward: `gamma` and `beta`, each (N, channels),
    make it an adaptive one, which is given its scale and offset for each picture; other names are conditions, such as
    `segmentation`, which it declares in `takes`.
    """

    kind = "norm"
    interface = Interface(
        made_with="`channels`, a whole number",
        forward=(
            "`forward(x)`: (N, channels, H, W); of an adaptive one `forward(x, gamma, beta)`, each (N, channels); or, "
            "say, `forward(x, segmentation)`, a map of the size of the picture"
        ),
        result="a tensor of x's shape and type",
        example=EXAMPLE,
    )

    companion: Declared[Function | None] = Declared(
        None, "of an adaptive one: the norm of those layers that have no style to give; none: an instance norm"
    )
    conv_bias: Declared[bool] = Declared(
        True,
        "whether the convolution in front of it carries a bias",
        otherwise=_adds_no_bias,
        shown="whether it has no `bias` of its own",
    )
    cancels_bias = Declared(
        False, "it takes each channel's mean off, and with it any bias of the convolution in front of it"
    )
    fuses = Declared(
        False, "its forward takes `slope` and `residual` and gives act(norm(x) + residual), in one pass over the memory"
    )
    coefficients: Declared[Function | None] = Declared(
        None,
        "`coefficients(mean, variance, n, **conditions)` gives the scale and offset (N, C) that it is for these "
        "statistics of each channel, so that large pictures are computed in tiles",
    )
