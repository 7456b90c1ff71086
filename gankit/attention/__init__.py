"""Attention heads: made with `channels`; the forward returns `Attended(features, map, logits)`."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.attention.cam import CAM as CAM
    from gankit.attention.mask import MaskAttention as MaskAttention
    from gankit.attention.self_attention import SelfAttention as SelfAttention
    from gankit.attention.timm_heads import CBAM as CBAM
    from gankit.attention.timm_heads import ECA as ECA
    from gankit.attention.timm_heads import SE as SE
    from gankit.attention.timm_heads import CircularECA as CircularECA
    from gankit.attention.timm_heads import EffectiveSE as EffectiveSE
    from gankit.attention.timm_heads import GatherExcite as GatherExcite
    from gankit.attention.timm_heads import GlobalContext as GlobalContext
    from gankit.attention.timm_heads import LightCBAM as LightCBAM
    from gankit.attention.timm_heads import NonLocal as NonLocal
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(__name__)
