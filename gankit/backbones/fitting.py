"""Whether a file holds the weights of a network that goes by a name: before the file is taken into the store."""

from __future__ import annotations

from pathlib import Path

from gankit.backbones.alexnet import AlexNet
from gankit.backbones.distilled_vgg19 import DistilledVGG19
from gankit.backbones.inception import Inception
from gankit.backbones.squeezenet import SqueezeNet
from gankit.backbones.timm import Timm, modules_of
from gankit.backbones.vgg import VGG16, VGG19
from gankit.weights import WeightsError

NETWORKS = {net.network: net for net in (VGG16, VGG19, AlexNet, SqueezeNet, DistilledVGG19, Inception)}


def check(network: str, file: Path) -> None:
    """Raises WeightsError when there is no such network, or the file does not hold its weights."""
    if network in NETWORKS:
        NETWORKS[network]((), weights=str(file))
        return
    try:
        modules_of(network)
    except ValueError as e:
        raise WeightsError(f"no network is called {network}: there are {', '.join(NETWORKS)}, and timm's. {e}") from e
    Timm((), model=network, weights=str(file))
