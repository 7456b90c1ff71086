"""Losses: their forward asks for the tensors of a method by name; each is a plain callable too."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.losses.adversarial import LSGAN as LSGAN
    from gankit.losses.adversarial import WGAN as WGAN
    from gankit.losses.adversarial import Adversarial as Adversarial
    from gankit.losses.adversarial import Hinge as Hinge
    from gankit.losses.adversarial import Logits as Logits
    from gankit.losses.adversarial import Vanilla as Vanilla
    from gankit.losses.attention_area import AttentionArea as AttentionArea
    from gankit.losses.cam import CAMLoss as CAMLoss
    from gankit.losses.feature_matching import FeatureMatching as FeatureMatching
    from gankit.losses.gram_style import GramStyle as GramStyle
    from gankit.losses.lpips import LPIPS as LPIPS
    from gankit.losses.masked import MaskedL1 as MaskedL1
    from gankit.losses.masked import MaskedVariation as MaskedVariation
    from gankit.losses.motion import Motion as Motion
    from gankit.losses.penalties import R1 as R1
    from gankit.losses.penalties import Critic as Critic
    from gankit.losses.penalties import GradientPenalty as GradientPenalty
    from gankit.losses.penalties import input_gradient as input_gradient
    from gankit.losses.perceptual import Perceptual as Perceptual
    from gankit.losses.reconstruction import L1 as L1
    from gankit.losses.reconstruction import Cycle as Cycle
    from gankit.losses.reconstruction import Identity as Identity
    from gankit.losses.reconstruction import Pixel as Pixel
    from gankit.losses.total_variation import TotalVariation as TotalVariation
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Adversarial="gankit.losses.adversarial",
        Critic="gankit.losses.penalties",
        Logits="gankit.losses.adversarial",
        input_gradient="gankit.losses.penalties",
    )
