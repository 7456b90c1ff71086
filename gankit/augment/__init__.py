"""What stands between pictures and critics."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.augment.ada import ADA as ADA
    from gankit.augment.base import Augment as Augment
    from gankit.augment.base import per_picture as per_picture
    from gankit.augment.diffaugment import DiffAugment as DiffAugment
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Augment="gankit.augment.base",
        per_picture="gankit.augment.base",
    )
