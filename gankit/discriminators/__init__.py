"""Discriminators: made with `in_channels`; they give logits, a tensor or a tuple of them."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.discriminators.dcgan import DCGANDiscriminator as DCGANDiscriminator
    from gankit.discriminators.double_column import DoubleColumnDiscriminator as DoubleColumnDiscriminator
    from gankit.discriminators.mlp import MLPDiscriminator as MLPDiscriminator
    from gankit.discriminators.multiscale import MultiscaleDiscriminator as MultiscaleDiscriminator
    from gankit.discriminators.patch import PatchDiscriminator as PatchDiscriminator
    from gankit.discriminators.pixel import PixelDiscriminator as PixelDiscriminator
    from gankit.discriminators.sizes import check_input as check_input
    from gankit.discriminators.spectral import SpectralConv2d as SpectralConv2d
    from gankit.discriminators.strided import StridedDiscriminator as StridedDiscriminator
    from gankit.discriminators.ugatit import UGATITDiscriminator as UGATITDiscriminator
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        SpectralConv2d="gankit.discriminators.spectral",
        check_input="gankit.discriminators.sizes",
    )
