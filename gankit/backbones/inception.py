"""The Inception-v3 of FID: TensorFlow's network of 2015 in torchvision's modules (arXiv 1512.00567, 1706.08500)."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from gankit.backbones.chain import SEED, draw, state_in
from gankit.features import FeatureNet, Features
from gankit.precision import full
from gankit.weights import WeightsError, find

NAMES = ("pool1", "pool2", "mixed_6e", "pool3")
STAGES = (
    ("Conv2d_1a_3x3", "Conv2d_2a_3x3", "Conv2d_2b_3x3", "maxpool1"),
    ("Conv2d_3b_1x1", "Conv2d_4a_3x3", "maxpool2"),
    (*(f"Mixed_5{x}" for x in "bcd"), *(f"Mixed_6{x}" for x in "abcde")),
    (*(f"Mixed_7{x}" for x in "abc"), "avgpool"),
)
"""What leads from one of them to the next, by torchvision's names."""
CLASSES = 1008


def _average(x: Tensor) -> Tensor:
    """TensorFlow's average pool counts no padding."""
    return F.avg_pool2d(x, 3, stride=1, padding=1, count_include_pad=False)


def _maximum(x: Tensor) -> Tensor:
    return F.max_pool2d(x, 3, stride=1, padding=1)


def _pooling(block: nn.Module, pool: Callable[[Tensor], Tensor]) -> None:
    """Let the last branch of one of torchvision's blocks pool in another way."""
    block.forward = partial(_pooled, block, pool)  # not a closure: copies and pickles must not keep the original's


def _pooled(block: Any, pool: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    return torch.cat([*block._forward(x)[:-1], block.branch_pool(pool(x))], 1)


class Inception(FeatureNet):
    """The network behind FID, KID and improved precision and recall (arXiv 1512.00567, 1706.08500).

    forward: pictures (N, 3, H, W) in [-1, 1], of at least 75 px and at their own size, layers -> Features, each
    (N, C, h, w). Layers: pool1, pool2, mixed_6e, and pool3, which FID takes: (N, 2048, 1, 1).

    Args:
        layers: which layers are wanted. Empty: all.
        weights: `pretrained` (pt_inception-2015-12-05-6726825d.pth, which is TensorFlow's of 2015; torchvision's own
            do not fit), `random`, or a path; see docs/weights.md.

    Raises ValueError for a layer that does not exist, and for weights that are missing or do not fit.
    """

    network: ClassVar[str] = "inception"

    def __init__(self, layers: Sequence[str], *, weights: str = "pretrained") -> None:
        super().__init__()
        if unknown := [name for name in layers if name not in NAMES]:
            raise ValueError(f"inception has no layer '{unknown[0]}'; it has {', '.join(NAMES)}")
        self.depth = 1 + max((NAMES.index(name) for name in layers), default=len(NAMES) - 1)
        self.weights = weights
        with torch.device("meta"):  # its modules would draw weights that are not kept
            self.net = _network()
        if weights == "random":
            self._cut()
        self.net.to_empty(device=torch.get_default_device())
        self.key = ("Inception", self._fill())
        self._cut()
        self.requires_grad_(False)
        self.train(False)

    def _cut(self) -> None:
        """Let go of what is behind the layers that are wanted."""
        used = {name for stage in STAGES[: self.depth] for name in stage}
        for name, _ in [*self.net.named_children()]:
            if name not in used:
                delattr(self.net, name)

    def _fill(self) -> tuple[str, str | int]:
        if self.weights == "random":
            for module in self.net.modules():
                if isinstance(module, nn.BatchNorm2d):
                    module.reset_parameters()
            draw(self.net)
            return "random", SEED
        on_meta = any(p.is_meta for p in self.parameters())
        file = find(self.network, self.weights, fetch=not on_meta)
        if file.path is not None and not on_meta:
            self._load(file.path)
        return "sha256", file.sha256

    def _load(self, path: Path) -> None:
        state = state_in(self.network, path)
        try:
            self.net.load_state_dict({k: v.float() if v.is_floating_point() else v for k, v in state.items()})
        except RuntimeError as e:
            why = str(e).splitlines()[-1].strip()
            raise WeightsError(f"{path} holds no weights of FID's Inception, which has {CLASSES} classes: {why}") from e

    @property
    def layer_names(self) -> tuple[str, ...]:
        return NAMES[: self.depth]

    def forward(self, x: Tensor, layers: Sequence[str]) -> Features:
        if min(x.shape[-2:]) < 75:
            raise ValueError(f"inception needs pictures of at least 75 px, not {x.shape[-1]} x {x.shape[-2]}")
        features, x = Features(), full(x).expand(-1, 3, -1, -1)
        for name, stage in zip(self.layer_names, STAGES, strict=False):
            for module in stage:
                x = self.net.get_submodule(module)(x)
            features[name] = x
        return Features({name: features[name] for name in layers})


def _network() -> nn.Module:
    """torchvision's network with the places in which TensorFlow's differs."""
    from torchvision.models.inception import Inception3  # late: it takes seconds

    net = Inception3(CLASSES, aux_logits=False, transform_input=False, init_weights=False)
    for block in (*(f"Mixed_5{x}" for x in "bcd"), *(f"Mixed_6{x}" for x in "bcde"), "Mixed_7b"):
        _pooling(getattr(net, block), _average)
    _pooling(net.Mixed_7c, _maximum)  # its last block pools the maximum
    return net
