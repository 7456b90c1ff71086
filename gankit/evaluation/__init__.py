"""Metrics and their protocols."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.evaluation.bicubic import BicubicPSNR as BicubicPSNR
    from gankit.evaluation.bicubic import BicubicSSIM as BicubicSSIM
    from gankit.evaluation.inpainting_metrics import CompositeL1 as CompositeL1
    from gankit.evaluation.inpainting_metrics import CompositePSNR as CompositePSNR
    from gankit.evaluation.inpainting_metrics import CompositeSSIM as CompositeSSIM
    from gankit.evaluation.inpainting_metrics import HolePSNR as HolePSNR
    from gankit.evaluation.inpainting_metrics import HolePSNRMeanFill as HolePSNRMeanFill
    from gankit.evaluation.inpainting_metrics import RawL1 as RawL1
    from gankit.evaluation.inpainting_metrics import RawPSNR as RawPSNR
    from gankit.evaluation.inpainting_metrics import RawSSIM as RawSSIM
    from gankit.evaluation.learned import LPIPS as LPIPS
    from gankit.evaluation.learned import LPIPSDiversity as LPIPSDiversity
    from gankit.evaluation.learned import Structure as Structure
    from gankit.evaluation.metrics import L1 as L1
    from gankit.evaluation.metrics import PSNR as PSNR
    from gankit.evaluation.metrics import SSIM as SSIM
    from gankit.evaluation.metrics import Metric as Metric
    from gankit.evaluation.metrics import levels as levels
    from gankit.evaluation.metrics import ratio as ratio
    from gankit.evaluation.neighbours import Coverage as Coverage
    from gankit.evaluation.neighbours import Density as Density
    from gankit.evaluation.neighbours import Precision as Precision
    from gankit.evaluation.neighbours import Recall as Recall
    from gankit.evaluation.object_metrics import AttentionIoU as AttentionIoU
    from gankit.evaluation.object_metrics import BackgroundPSNR as BackgroundPSNR
    from gankit.evaluation.object_metrics import ColourSlope as ColourSlope
    from gankit.evaluation.object_metrics import SilhouetteIoU as SilhouetteIoU
    from gankit.evaluation.object_metrics import TranslationError as TranslationError
    from gankit.evaluation.sets import FID as FID
    from gankit.evaluation.sets import KID as KID
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(
        __name__,
        Metric="gankit.evaluation.metrics",
        levels="gankit.evaluation.metrics",
        ratio="gankit.evaluation.metrics",
    )
