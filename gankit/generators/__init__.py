"""Generators: made with `in_channels, out_channels`; they take and give images in [-1, 1]."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.generators.dcgan import DCGANGenerator as DCGANGenerator
    from gankit.generators.espcn import ESPCNGenerator as ESPCNGenerator
    from gankit.generators.fast_style import FastStyleGenerator as FastStyleGenerator
    from gankit.generators.johnson import JohnsonGenerator as JohnsonGenerator
    from gankit.generators.lbam import LBAM as LBAM
    from gankit.generators.mlp import MLPGenerator as MLPGenerator
    from gankit.generators.mobile_resnet import MobileResnetGenerator as MobileResnetGenerator
    from gankit.generators.munit import MUNITGenerator as MUNITGenerator
    from gankit.generators.pconv import PConvUNet as PConvUNet
    from gankit.generators.resnet import ResnetGenerator as ResnetGenerator
    from gankit.generators.super_resolution import JohnsonSRGenerator as JohnsonSRGenerator
    from gankit.generators.ugatit import UGATITGenerator as UGATITGenerator
    from gankit.generators.unet import UNetGenerator as UNetGenerator
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(__name__)
