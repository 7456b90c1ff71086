"""Figures of single pictures by frozen networks: LPIPS to the truth, LPIPS among outputs, structure kept."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any, ClassVar, Literal

import torch
from torch import Tensor
from torch.nn import functional as F

from gankit.core.better import Better
from gankit.core.errors import GankitError
from gankit.evaluation.extract import Extractor, Network, Unavailable, check_channels
from gankit.evaluation.metrics import PEAK, Metric
from gankit.evaluation.protocols import ProtocolName
from gankit.losses.lpips import LPIPS as Distance
from gankit.losses.lpips import NETS
from gankit.slots import Backbone, Ge, Le

Net = Literal["alex", "vgg", "squeeze"]


class LPIPS(Metric):
    """LPIPS of output and truth (arXiv 1801.03924, version 0.1), at the pictures' own size; the mean over pictures.

    Args:
        net: the network whose features are compared. `alex` is the usual one for measuring, and the only one whose row
            is called `lpips`.
        weights: the weights of that network, which are `pretrained`, `random` (which the row's name says), or a path.
    """

    better: ClassVar[Better] = "lower"

    def __init__(self, *, net: Net = "alex", weights: str = "pretrained") -> None:
        self.net: Net = net
        self.weights = weights
        self._distance: Distance | None = None

    def named(self, name: str) -> str:
        parts = (name, "" if self.net == "alex" else self.net, "random" if self.weights == "random" else "")
        return "-".join(filter(None, parts))

    def prepare(self, device: str | torch.device, fetch: bool = True) -> None:
        if self._distance is None:
            Network(NETS[self.net][0], weights=self.weights).refuse_absent(fetch)
            try:
                self._distance = Distance(self.net, self.weights)
            except (ValueError, GankitError) as e:
                raise Unavailable(f"{e}. On another network: {', '.join(f'lpips-{n}' for n in NETS)}") from e
        self._distance = self._distance.to(device).eval()

    def statistics(self, output: Tensor, truth: Tensor) -> Tensor:
        return self.between(output, truth)[:, None]

    def between(self, one: Tensor, other: Tensor) -> Tensor:
        """Of each pair of pictures, (N,)."""
        check_channels(one)
        self.prepare(one.device)
        assert self._distance is not None
        with torch.no_grad():
            one, other = ((self.levels(x) / (PEAK / 2) - 1).float() for x in (one, other))
            return self._distance.distances(one, other).double()

    def protocol(self) -> dict[str, object]:
        protocol = {**super().protocol(), "features": self.net, "version": "0.1"}
        origin: Any = self._distance.backbone.key[-1] if self._distance else None  # type: ignore[index]
        return protocol | ({"features_sha256": origin[1][:12]} if origin and origin[0] == "sha256" else {})


class LPIPSDiversity(LPIPS):
    """LPIPS between two outputs of one source, the mean over `pairs` pairs for each source; MUNIT's paper takes 19.

    It is higher for more diverse outputs, also for worse ones: read it beside the truth's own. Methods that always make
    the same output of a source have no such figure.

    Args:
        net, weights: the network and its weights, as those of `lpips`.
        pairs: how many pairs of outputs are compared for each source.
    """

    better: ClassVar[Better] = "higher"

    def __init__(
        self, *, net: Net = "alex", weights: str = "pretrained", pairs: Annotated[int, Ge(1), Le(10_000)] = 19
    ) -> None:
        super().__init__(net=net, weights=weights)
        self.pairs = pairs

    def statistics(self, draw: Callable[[int], Tensor]) -> Tensor:  # pyright: ignore[reportIncompatibleMethodOverride]
        """draw: number -> so many outputs of each source, (N, number, C, H, W)."""
        distances = []
        for _ in range(self.pairs):
            one, other = draw(2).unbind(1)
            if not distances and torch.equal(one, other):
                raise ValueError("this method always makes the same output from a source: nothing in it is random")
            distances.append(self.between(one, other))
        return torch.stack(distances, 1).mean(1, keepdim=True)

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), "pairs": self.pairs}


class Structure(Metric):
    """How far the output's structure is from the source's: self-similarity of deep features (arXiv 2201.00424).

    Features of all places are compared with each other by cosine, in the source and in the output. The figure is the
    mean squared difference of the two matrices, and of that the mean over the pictures. 0 says that nothing has moved.
    Papers take the keys of DINO's ViT-B/8. This takes the tokens (or places) of the last layer of the backbone that its
    name says, so that `structure-timm:vit_small_patch16_224.dino` is near to theirs, but not equal.

    Args:
        features: the backbone whose features are compared. The row's name carries it, unless it is the Inception of
            FID.
        protocol: how pictures come to the network's size, see `gankit.evaluation.protocols`.
        side: the side in pixels to which pictures are brought. None is 299 for Inception, and 224 for all others.
    """

    better: ClassVar[Better] = "lower"

    def __init__(
        self,
        *,
        features: Backbone,
        protocol: ProtocolName = "clean",
        side: Annotated[int, Ge(8), Le(4096)] | None = None,
    ) -> None:
        self.extractor = Extractor(features, protocol, side)

    def named(self, name: str) -> str:
        return f"{name}-{self.extractor.network.name}"

    def prepare(self, device: str | torch.device, fetch: bool = True) -> None:
        self.extractor.load(device, fetch)

    def statistics(self, output: Tensor, source: Tensor) -> Tensor:
        ours, theirs = (self_similarity(self.extractor.maps(x)) for x in (output, source))
        return (ours - theirs).square().flatten(1).mean(1)[:, None]

    def protocol(self) -> dict[str, object]:
        return {**super().protocol(), **self.extractor.protocol()}


def self_similarity(maps: Tensor) -> Tensor:
    """(N, C, h, w) -> the cosine of each two places, (N, hw, hw), float64."""
    places = F.normalize(maps.double().flatten(2), dim=1)
    return places.transpose(1, 2) @ places
