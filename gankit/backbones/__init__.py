"""Backbones: frozen networks whose features losses and metrics compare."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gankit.backbones.alexnet import AlexNet as AlexNet
    from gankit.backbones.distilled_vgg19 import DistilledVGG19 as DistilledVGG19
    from gankit.backbones.inception import Inception as Inception
    from gankit.backbones.squeezenet import SqueezeNet as SqueezeNet
    from gankit.backbones.timm import Timm as Timm
    from gankit.backbones.vgg import VGG16 as VGG16
    from gankit.backbones.vgg import VGG19 as VGG19
else:
    from gankit.core import public

    __all__, __getattr__, __dir__ = public.names(__name__)
