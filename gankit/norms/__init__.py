"""Normalizations. Each is made with `channels`; an adaptive one takes gamma and beta (N, C) in its forward."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.norms.adain import AdaIN as AdaIN
    from gankit.norms.adalin import LIN as LIN
    from gankit.norms.adalin import AdaLIN as AdaLIN
    from gankit.norms.batch import BatchNorm as BatchNorm
    from gankit.norms.bin import BIN as BIN
    from gankit.norms.group import GroupNorm as GroupNorm
    from gankit.norms.instance import InstanceNorm as InstanceNorm
    from gankit.norms.layer import LayerNorm as LayerNorm
    from gankit.norms.munit_layer import MUNITLayerNorm as MUNITLayerNorm
    from gankit.norms.none import NoNorm as NoNorm
    from gankit.norms.rules import normed as normed
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        normed="gankit.norms.rules",
    )
