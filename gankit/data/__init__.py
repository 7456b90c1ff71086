"""Folders, pairs and the built-in shapes; transforms; loaders."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.data.cache import Cache as Cache
    from gankit.data.dataset import Dataset as Dataset
    from gankit.data.dataset import PlacedDataset as PlacedDataset
    from gankit.data.dataset import Split as Split
    from gankit.data.drawn import Drawn as Drawn
    from gankit.data.folder import Pictures as Pictures
    from gankit.data.idx import IDX as IDX
    from gankit.data.inpainting import InpaintingFolder as InpaintingFolder
    from gankit.data.keeping import Keeping as Keeping
    from gankit.data.keeping import Where as Where
    from gankit.data.loader import Batch as Batch
    from gankit.data.loader import Loader as Loader
    from gankit.data.loader import make_loader as make_loader
    from gankit.data.none import NoPictures as NoPictures
    from gankit.data.paired import PairedFolder as PairedFolder
    from gankit.data.placed import Placed as Placed
    from gankit.data.shapes import Shapes as Shapes
    from gankit.data.single import Single as Single
    from gankit.data.transforms import Interpolation as Interpolation
    from gankit.data.transforms import Preprocess as Preprocess
    from gankit.data.transforms import Transform as Transform
    from gankit.data.unpaired import Unpaired as Unpaired
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Batch="gankit.data.loader",
        Cache="gankit.data.cache",
        Dataset="gankit.data.dataset",
        Drawn="gankit.data.drawn",
        Interpolation="gankit.data.transforms",
        Keeping="gankit.data.keeping",
        Loader="gankit.data.loader",
        Pictures="gankit.data.folder",
        Placed="gankit.data.placed",
        PlacedDataset="gankit.data.dataset",
        Preprocess="gankit.data.transforms",
        Split="gankit.data.dataset",
        Transform="gankit.data.transforms",
        Where="gankit.data.keeping",
        make_loader="gankit.data.loader",
    )
