"""Frozen features: what backbones give and what the losses that compare features share.

A loss that compares features takes pictures, as any other, and works by itself on them. In a plan it gets their
features instead: one pass of the backbone for each picture, however many losses ask, and as deep as the deepest of them
needs.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping, Sequence
from typing import ClassVar

from torch import Tensor, nn

from gankit.contracts import ModuleContract

__all__ = ["FeatureLoss", "FeatureNet", "Features"]


class Features(dict[str, Tensor]):
    """Features of one batch of pictures by the names of their layers, each (N, C, h, w)."""


class FeatureNet(nn.Module):
    """Base of backbones: frozen, always in evaluation mode, only as deep as it was asked to be. Inside of a generator,
    a critic or a loss it is not part of a checkpoint: its weights come from where they came from first.

    key: equal for two networks that differ in nothing but depth (same weights, same normalization). depth: how far it
    reaches; of two with equal keys the deeper one can stand for the other. layer_names: what it can give, in order.
    weights: `pretrained`, `random`, or a path. network: under which name they are looked for. suggested: the layers
    that a loss takes when it is told none, by what for (`content`, `style`); default_layers: where none are suggested.
    """

    keeps_weights: ClassVar[bool] = True
    key: Hashable
    depth: int
    weights: str = "pretrained"
    network: ClassVar[str] = ""
    suggested: ClassVar[Mapping[str, tuple[str, ...]]] = {}

    @property
    def random(self) -> bool:
        """Whether nobody has trained its weights: what is measured with it must say so."""
        return self.weights == "random"

    @property
    def layer_names(self) -> tuple[str, ...]:
        raise NotImplementedError

    @property
    def default_layers(self) -> tuple[str, ...]:
        return self.layer_names

    @property
    def last_layer(self) -> str:
        """The deepest of its layers."""
        return self.layer_names[-1]

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


def own_parameters(module: nn.Module) -> list[nn.Parameter]:
    """Its parameters without those of parts that are not a training's business, see `settled`."""
    others = {id(p) for part in settled(module).values() for p in part.parameters()}
    return [p for p in module.parameters() if id(p) not in others]


def own_state(module: nn.Module) -> dict[str, Tensor]:
    """The state dict of a network or a loss without what is not a checkpoint's business, see `settled`."""
    return {key: value for key, value in module.state_dict().items() if not _within(key, settled(module))}


def load_own_state(module: nn.Module, state: Mapping[str, Tensor]) -> None:
    """Take over what `own_state` gave, or a whole state dict. Raises RuntimeError where keys or shapes differ."""
    there = {key: value for key, value in module.state_dict().items() if _within(key, settled(module))}
    module.load_state_dict(there | dict(state))


def settled(module: nn.Module) -> dict[str, nn.Module]:
    """Name -> the parts whose weights are there as soon as they are built and stay what they are: they declare
    `keeps_weights`, nothing in them learns, and no buffer moves, as those of batch norms do in training mode."""
    return {name: part for name, part in module.named_modules() if ModuleContract(part).keeps_weights and _still(part)}


def _still(part: nn.Module) -> bool:
    moving = (inner for inner in part.modules() if inner.training)
    return not any(p.requires_grad for p in part.parameters()) and not any(
        True for inner in moving for _ in inner.buffers(recurse=False)
    )


def _within(key: str, parts: Iterable[str]) -> bool:
    return any(key.startswith(f"{name}." if name else "") for name in parts)
