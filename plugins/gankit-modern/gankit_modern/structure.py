"""Structure as a vision transformer sees it: how alike its keys are to each other (Splice, arXiv 2201.00424)."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from typing import Annotated, Any, ClassVar, Literal

import torch
from timm.models.vision_transformer import VisionTransformer
from torch import Tensor
from torch.nn import functional as F

from gankit.backbones import Timm
from gankit.features import FeatureLoss, Features
from gankit.precision import full, without_autocast
from gankit.slots import Backbone, Ge, Le, MinLen


class ViTKeys(Timm):
    """The keys of the attention of a vision transformer of timm (10.5281/zenodo.4414861), as maps of its tokens.

    forward: pictures (N, 3, H, W) in [-1, 1], layers -> Features, each (N, width, tokens, 1), the class token first.
    Layers are numbers of blocks.

    layers: what is wanted. Empty: all. model: timm's name of the network; weights, normalize: as of the backbone
    `timm`. image_size: the side to which pictures are brought; a small one saves most of the time. If it is not given,
    it is that for which the network was made: 224 for the default, 518 for those of DINOv2.

    Raises ValueError for a network that is no vision transformer, an image_size that patches do not fill, and
    pictures smaller than a patch.
    """

    def __init__(
        self,
        layers: Sequence[str],
        *,
        model: str = "vit_base_patch8_224.dino",
        weights: str = "pretrained",
        normalize: Literal["model", "imagenet", "none"] = "model",
        image_size: Annotated[int, Ge(1), Le(8192)] | None = None,
    ) -> None:
        super().__init__(layers, model=model, weights=weights, normalize=normalize, image_size=image_size)
        self.key = ("vit_keys", self.key)
        inside: Any = self.body.model if hasattr(self.body, "model") else self.body
        if not isinstance(inside, VisionTransformer) or not all(hasattr(b, "attn") for b in inside.blocks):
            raise ValueError(f"{model} is no vision transformer of timm (`timm.models.VisionTransformer`)")
        if image_size and image_size % (patch := inside.patch_embed.patch_size[0]):
            near = max(round(image_size / patch), 1) * patch
            raise ValueError(f"patches of {model} are {patch} px wide: image_size is a multiple of that, say {near}")

    def forward(self, x: Tensor, layers: Sequence[str]) -> Features:
        wanted = {name: self._index(name) for name in layers}
        if late := [name for name, index in wanted.items() if index >= self.depth]:
            raise ValueError(f"this {self.model} was built up to block {self.depth - 1}, not to {late[0]}")
        network: Any = self.body.model
        if min(x.shape[2:]) < (patch := network.patch_embed.patch_size[0]):
            raise ValueError(f"{self.model} looks at patches of {patch} px, and a side has {min(x.shape[2:])}")
        x = F.interpolate(full(x), network.patch_embed.img_size, mode="bilinear", align_corners=False, antialias=True)
        tokens = network.norm_pre(network._pos_embed(network.patch_embed(self.normalize(x))))
        found: dict[int, Tensor] = {}
        for number, block in enumerate(network.blocks[: max(wanted.values(), default=-1) + 1]):
            if number in wanted.values():
                keys = block.attn.qkv(block.norm1(tokens)).chunk(3, -1)[1]
                found[number] = keys.transpose(1, 2).unsqueeze(3)
            tokens = block(tokens)
        return Features({name: found[number] for name, number in wanted.items()})


class DINOStructure(FeatureLoss):
    """Keeps the structure of the source (Splice, arXiv 2201.00424, eq. 5): self-similarities, squared differences.

    forward(output, source) -> scalar. Pictures (N, 3, H, W) in [-1, 1], or `Features` of them. The self-similarity of a
    picture holds the cosines of the keys of all pairs of tokens, the class token too, in a deep block of a vision
    transformer that was trained without labels (DINO, arXiv 2104.14294): what is where, whatever it looks like. No
    gradient flows to the source's. In the paper its weight is 1, of ViT-B/8; the first picture of a batch is all.

    backbone: whose keys; its weights come from the store. layers: numbers of blocks, averaged; the last if not given.
    """

    compares: ClassVar[tuple[str, ...]] = ("output", "source")

    def __init__(
        self,
        backbone: Backbone = partial(ViTKeys, model="vit_base_patch8_224.dino"),
        layers: Annotated[list[str], MinLen(1)] | None = None,
    ) -> None:
        net: Any = backbone(tuple(layers or ()))
        super().__init__(net, layers or net.default_layers[-1:])

    def forward(self, output: Tensor | Features, source: Tensor | Features) -> Tensor:
        ours, theirs = self.features(output), self.features(source)
        apart = [(alike(ours[name]) - alike(theirs[name]).detach()).square().mean() for name in self.layers]
        return torch.stack(apart).mean()

    def extra_repr(self) -> str:
        return f"layers={self.layers}"


def alike(features: Tensor) -> Tensor:
    """Cosines of all pairs of places: (N, C, h, w) -> (N, hw, hw)."""
    with without_autocast(features):  # differences of cosines are small
        vectors = F.normalize(full(features).flatten(2), dim=1, eps=1e-4)  # a vector of zeros has no direction
        return vectors.transpose(1, 2) @ vectors
