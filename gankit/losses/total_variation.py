"""Smoothness of a picture."""

from __future__ import annotations

from typing import Literal

from torch import Tensor, nn

from gankit.precision import full


class TotalVariation(nn.Module):
    """Mean difference of neighbouring pixels, down and across (Rudin et al. 1992; as a loss, arXiv 1412.0035).

    forward(output) -> scalar. output: (N, C, H, W), both sides at least 2 px (ValueError otherwise).
    mode: `absolute` differences (anisotropic, keeps edges) or `squared` ones (blurs them).
    """

    def __init__(self, mode: Literal["absolute", "squared"] = "absolute") -> None:
        super().__init__()
        self.mode = mode

    def forward(self, output: Tensor) -> Tensor:
        if min(output.shape[-2:]) < 2:
            raise ValueError(f"total_variation needs pictures of 2 x 2 px at least, not {tuple(output.shape[-2:])}")
        output = full(output)
        down = output[..., 1:, :] - output[..., :-1, :]
        across = output[..., :, 1:] - output[..., :, :-1]
        if self.mode == "squared":
            return down.square().mean() + across.square().mean()
        return down.abs().mean() + across.abs().mean()

    def extra_repr(self) -> str:
        return f"mode={self.mode!r}"
