"""Methods: what a paper trains, its networks, the named tensors that it offers, and whose turn it is."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.methods.attention_guided import AttentionGuided as AttentionGuided
    from gankit.methods.base import Method as Method
    from gankit.methods.base import Translation as Translation
    from gankit.methods.base import Turn as Turn
    from gankit.methods.base import TwoWayTranslation as TwoWayTranslation
    from gankit.methods.base import image_of as image_of
    from gankit.methods.base import tensor as tensor
    from gankit.methods.cyclegan import CycleGAN as CycleGAN
    from gankit.methods.gan import GAN as GAN
    from gankit.methods.gatys import Gatys as Gatys
    from gankit.methods.inpainting import Inpainting as Inpainting
    from gankit.methods.munit import MUNIT as MUNIT
    from gankit.methods.paired import Paired as Paired
    from gankit.methods.plan import Term as Term
    from gankit.methods.plan import plan_turns as plan_turns
    from gankit.methods.style import Style as Style
    from gankit.methods.styled import Styled as Styled
    from gankit.methods.super_resolution import SuperResolution as SuperResolution
    from gankit.methods.ugatit import UGATIT as UGATIT
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Method="gankit.methods.base",
        Styled="gankit.methods.styled",
        Term="gankit.methods.plan",
        Translation="gankit.methods.base",
        Turn="gankit.methods.base",
        TwoWayTranslation="gankit.methods.base",
        image_of="gankit.methods.base",
        plan_turns="gankit.methods.plan",
        tensor="gankit.methods.base",
    )
