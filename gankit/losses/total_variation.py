"""Smoothness of a picture."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from gankit.precision import full


class TotalVariation(nn.Module):
    """Difference of neighbouring pixels, down and across (Rudin et al. 1992; as a loss, arXiv 1412.0035).

    forward(output) -> scalar. output: (N, C, H, W), both sides at least 2 px (ValueError otherwise).

    Args:
        mode: `absolute` differences are anisotropic and keep edges. `squared` ones blur them.
        reduction: how the differences are joined. `mean` takes the mean of each direction and adds the two. `sum` adds
            up everything, the batch included. Half of the sum of squares is what Johnson et al. (arXiv 1603.08155)
            weight with 1e-6 to 1e-4, for pixels in [0, 255], which are 127.5 times these.
    """

    def __init__(
        self, mode: Literal["absolute", "squared"] = "absolute", reduction: Literal["mean", "sum"] = "mean"
    ) -> None:
        super().__init__()
        self.mode = mode
        self.reduction = reduction

    def forward(self, output: Tensor) -> Tensor:
        if min(output.shape[-2:]) < 2:
            raise ValueError(f"total_variation needs pictures of 2 x 2 px at least, not {tuple(output.shape[-2:])}")
        output = full(output)
        down = output[..., 1:, :] - output[..., :-1, :]
        across = output[..., :, 1:] - output[..., :, :-1]
        apart = [d.square() if self.mode == "squared" else d.abs() for d in (down, across)]
        if self.reduction == "sum":
            return apart[0].sum() + apart[1].sum()
        return apart[0].mean() + apart[1].mean()

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}, reduction={self.reduction!r}"
