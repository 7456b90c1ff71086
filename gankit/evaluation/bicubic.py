"""What super-resolution has to surpass."""

from __future__ import annotations

from torch import Tensor

from gankit.evaluation.metrics import PSNR, SSIM

OF = "the source, enlarged bicubically (a = -0.5)"


class BicubicPSNR(PSNR):
    """`psnr` of the bicubic enlargement of the source and the truth in [-1, 1], in dB: the bar for super-resolution.

    Args:
        cap: the dB of identical pictures.
    """

    def statistics(self, enlarged: Tensor, truth: Tensor) -> Tensor:
        return super().statistics(enlarged, truth)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "of": OF}


class BicubicSSIM(SSIM):
    """`ssim` of the bicubic enlargement of the source and the truth in [-1, 1]: the bar for super-resolution."""

    def statistics(self, enlarged: Tensor, truth: Tensor) -> Tensor:
        return super().statistics(enlarged, truth)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "of": OF}
