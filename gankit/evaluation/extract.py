"""Features of pictures for metrics: a frozen network, and how pictures are brought to it."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
from torch import Tensor

from gankit.backbones.inception import Inception
from gankit.contracts import BackboneContract
from gankit.core.catalogue import catalogue
from gankit.core.errors import BuildError, GankitError
from gankit.evaluation.metrics import PEAK, levels
from gankit.evaluation.protocols import PROTOCOLS
from gankit.features import FeatureNet
from gankit.weights import identify, local
from gankit.weights.store import missing

INCEPTION_SIDE, SIDE = 299, 224
INCEPTION_LAYER = "pool3"
FULL_NAMES = {"squeezenet": "squeezenet1_1"}
"""Backbone -> which of several it is."""


_OTHERS = ". On other features: name the metric with a backbone, such as kid-squeezenet"


class Unavailable(GankitError):
    """A metric that cannot be had here, and what to do about it."""


class Network:
    """A frozen network that is loaded when it is first needed, for names and protocols are wanted without it.

    make: a backbone or a factory of one, called with `layers`.
    """

    def __init__(self, make: Callable[..., Any], **more: Any) -> None:
        self.make = partial(make, **more) if more else make
        self._net: FeatureNet | None = None

    @property
    def arguments(self) -> dict[str, Any]:
        return dict(self.make.keywords) if isinstance(self.make, partial) else {}

    @property
    def kind(self) -> Callable[..., Any]:
        return self.make.func if isinstance(self.make, partial) else self.make

    @property
    def name(self) -> str:
        """As rows are named after it: `squeezenet1_1`, `timm:resnet18`, `vgg16-random`."""
        entry = catalogue().entry_of("backbone", self.kind)
        name = entry.name if entry else self.kind.__name__.lower()
        name = FULL_NAMES.get(name, name)
        name += f":{model}" if (model := self.arguments.get("model")) else ""
        return f"{name}-random" if self.arguments.get("weights") == "random" else name

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for networks that are alike."""
        return (self.kind, *sorted((k, repr(v)) for k, v in self.arguments.items()))

    def load(self, device: str | torch.device, fetch: bool = True) -> FeatureNet:
        """fetch: download weights that are nowhere here. Raises Unavailable: which file, and where to put it."""
        if self._net is None:
            self.refuse_absent(fetch)
            try:
                self._net = self.make(())
            except (ValueError, GankitError, ImportError) as e:
                why = e.message if isinstance(e, BuildError) else str(e)
                raise Unavailable(f"{why}{_OTHERS if self.kind is Inception else ''}") from e
        assert self._net is not None
        return self._net.to(device)

    def refuse_absent(self, fetch: bool) -> None:
        """Raises Unavailable for weights that are not on this machine and shall not be fetched."""
        usual = BackboneContract(self.kind).network
        if usual and not fetch and self.arguments.get("weights", "pretrained") == "pretrained" and not local(usual):
            raise Unavailable(f"{missing(usual)}{_OTHERS if self.kind is Inception else ''}")

    def protocol(self) -> dict[str, object]:
        """The network's name, and the hash of its weights once it is loaded."""
        return {"features": self.name, "features_sha256": (self.sha256 or "")[:12] or None}

    @property
    def sha256(self) -> str | None:
        """Of the file of its weights."""
        origin: Any = self._net.key[-1] if self._net and isinstance(self._net.key, tuple) else None
        return origin[1] if isinstance(origin, tuple) and origin[0] == "sha256" else None


def check_channels(picture: Tensor) -> None:
    """Raise ValueError for pictures (N, C, H, W) that networks of photos cannot look at."""
    if picture.shape[1] not in (1, 3):
        raise ValueError(f"its network looks at pictures of 1 or 3 channels, these have {picture.shape[1]}")


class Extractor:
    """Pictures (N, C, H, W) in [-1, 1] -> features (N, D) in float64: the network's last layer, averaged over places.

    Pictures are rounded to 8 bits, unless `rounded` is switched off for files that have more, then resized by the
    protocol, which is on floats. side: null is 299 for Inception, else 224.
    """

    def __init__(self, make: Callable[..., Any], protocol: str = "clean", side: int | None = None) -> None:
        self.network, self.rounded = Network(make), True
        self.how = PROTOCOLS[protocol]
        self.is_inception = self.network.kind is Inception
        self.side = side or (INCEPTION_SIDE if self.is_inception else SIDE)
        if self.is_inception and self.side < 75:
            raise ValueError("side: Inception needs at least 75 px")

    @property
    def key(self) -> tuple[object, ...]:
        """Equal for extractors that give the same features."""
        return (*self.network.key, self.how.name, self.side)

    def named(self, name: str) -> str:
        """The name of a metric on these features: FID's own network needs no saying."""
        return name if self.network.name == "inception" else f"{name}-{self.network.name}"

    def load(self, device: str | torch.device, fetch: bool = True) -> None:
        self.network.load(device, fetch)

    def maps(self, picture: Tensor) -> Tensor:
        """(N, C, H, W) in [-1, 1] -> the last layer, (N, D, h, w)."""
        check_channels(picture)
        net = self.network.load(picture.device)
        x = self.how.resize(levels(picture, self.rounded).float(), self.side)
        x = (x - 128) / 128 if self.how.centred and self.is_inception else x / (PEAK / 2) - 1
        last = net.last_layer
        with torch.no_grad():
            return net(x.expand(-1, 3, -1, -1), (last,))[last]

    def __call__(self, picture: Tensor) -> Tensor:
        return self.maps(picture).double().mean((2, 3))

    def protocol(self) -> dict[str, object]:
        return {**self.network.protocol(), "resize": str(self.how), "side": self.side}

    def warning(self) -> str:
        """Of weights under FID's name that are not its usual file."""
        sha = self.network.sha256
        if not self.is_inception or sha is None or identify(sha) is not None:
            return ""
        return f"the weights of Inception are not FID's usual file (SHA-256 {sha[:8]}...)"
