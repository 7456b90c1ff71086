"""Picture files <-> tensors: each kind of file with its depth, its channels and the window of its values."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.codecs.base import Codec as Codec
    from gankit.codecs.base import CodecSlot as CodecSlot
    from gankit.codecs.base import Header as Header
    from gankit.codecs.base import WindowError as WindowError
    from gankit.codecs.base import as_codec as as_codec
    from gankit.codecs.image import Image8 as Image8
    from gankit.codecs.npy import Npy as Npy
    from gankit.codecs.sixteen import RGB16 as RGB16
    from gankit.codecs.sixteen import Grey16 as Grey16
    from gankit.codecs.tiff import Tiff as Tiff
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Codec="gankit.codecs.base",
        CodecSlot="gankit.codecs.base",
        Header="gankit.codecs.base",
        WindowError="gankit.codecs.base",
        as_codec="gankit.codecs.base",
    )
