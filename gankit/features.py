"""Frozen features: what backbones give and what the losses that compare features share.

A loss that compares features takes pictures, as any other, and works by itself on them. In a plan it gets their
features instead: one pass of the backbone for each picture, however many losses ask, and as deep as the deepest of them
needs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn


class Features(dict[str, Tensor]):
    """Features of one batch of pictures by the names of their layers, each (N, C, h, w)."""


class FeatureNet(nn.Module):
    """Base of backbones: frozen, always in evaluation mode, only as deep as it was asked to be.

    key: equal for two networks that differ in nothing but depth (same weights, same normalization). depth: how far it
    reaches; of two with equal keys the deeper one can stand for the other. layer_names: what it can give, in order.
    weights: `pretrained`, `random`, or a path. suggested: the layers that a loss takes when it is told none, by what
    for: `content`, `style`.
    """

    key: Hashable
    depth: int
    weights: str = "pretrained"
    suggested: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @property
    def random(self) -> bool:
        """Whether nobody has trained its weights: what is measured with it must say so."""
        return self.weights == "random"

    @property
    def layer_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    def forward(self, x: Tensor, layers: Sequence[str]) -> Features:
        """Pictures (N, 3, H, W) in [-1, 1] -> the features of these layers. Normalization is done here."""
        raise NotImplementedError

    def train(self, mode: bool = True) -> FeatureNet:
        """A frozen network stays in evaluation mode."""
        del mode
        return super().train(False)


class FeatureLoss(nn.Module):
    """Base of losses that compare features.

    backbone: the network; a plan may replace it by a deeper one of equal key. layers: what the loss needs of it.
    compares: arguments of the forward that may be pictures, or `Features` of them.
    """

    compares: ClassVar[tuple[str, ...]] = ("output", "target")

    def __init__(self, backbone: FeatureNet, layers: Iterable[str]) -> None:
        super().__init__()
        self.backbone = backbone
        self.layers = tuple(layers)

    def features(self, picture: Tensor | Features) -> Features:
        """Of a picture, or what was given already."""
        return picture if isinstance(picture, Features) else self.backbone(picture, self.layers)


class Extraction:
    """The function of a plan's node: features of one picture for all the losses that share a backbone."""

    def __init__(self, backbone: FeatureNet) -> None:
        self.backbone = backbone
        self.layers: tuple[str, ...] = ()

    def add(self, layers: Iterable[str]) -> None:
        self.layers = tuple(dict.fromkeys((*self.layers, *layers)))

    def __call__(self, picture: Tensor) -> Features:
        return self.backbone(picture, self.layers)


def share_backbones(losses: Iterable[nn.Module]) -> None:
    """Losses whose backbones differ in depth alone use the deepest of them from now on."""
    using = [loss for loss in losses if isinstance(loss, FeatureLoss)]
    deepest: dict[Hashable, FeatureNet] = {}
    for loss in using:
        known = deepest.setdefault(loss.backbone.key, loss.backbone)
        if loss.backbone.depth > known.depth:
            deepest[loss.backbone.key] = loss.backbone
    for loss in using:
        loss.backbone = deepest[loss.backbone.key]


def untrained(losses: Mapping[str, nn.Module]) -> list[str]:
    """The names of the losses whose backbones have random weights."""
    return [name for name, loss in losses.items() if isinstance(loss, FeatureLoss) and loss.backbone.random]


def own_state(loss: nn.Module) -> dict[str, Tensor]:
    """The state dict of a loss without its frozen backbones, which are not a checkpoint's business."""
    frozen = [name for name, module in loss.named_modules() if isinstance(module, FeatureNet)]
    return {
        key: value
        for key, value in loss.state_dict().items()
        if not any(key.startswith(f"{name}." if name else "") for name in frozen)
    }
