"""Networks of pictures of temperatures."""

from __future__ import annotations

from torch import Tensor, nn
from torch.nn import functional as F

from gankit.contracts import ModuleContract
from gankit.features import FeatureNet, Features
from gankit.fields import Vector
from gankit.slots import Attended, Attention, Norm, Translated


class Hourly(nn.Module):
    """An instance norm whose scale follows the hours. (N, C, H, W), hours (N, 1) -> x's shape. gankit's own."""

    takes = {"hours": Vector(1)}

    def __init__(self, channels: int, *, eps: float = 1e-5) -> None:
        super().__init__()
        self.channels, self.eps, self.scale = channels, eps, nn.Linear(1, channels)

    def forward(self, x: Tensor, hours: Tensor) -> Tensor:
        return F.instance_norm(x, eps=self.eps) * (1 + self.scale(hours))[:, :, None, None]

    def extra_repr(self) -> str:
        return f"{self.channels}, eps={self.eps}"


class Warmest(nn.Module):
    """A map of what is warm by one convolution. (N, C, H, W) -> Attended. gankit's own."""

    has_map = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 1)

    def forward(self, x: Tensor) -> Attended:
        map = self.score(x).sigmoid()
        return Attended(x * (0.5 + map), map)


class Convolutions(nn.Module):
    """Three convolutions, a norm and a head. (N, C, H, W), hours (N, 1) -> Translated. gankit's own."""

    offers, min_size = frozenset({"attention"}), 2
    passes_on = {"norm": ("hours",)}

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: int = 16,
        norm: Norm = Hourly,
        attention: Attention = Warmest,
    ) -> None:
        super().__init__()
        self.first, self.last = nn.Conv2d(in_channels, channels, 3, padding=1), nn.Conv2d(channels, out_channels, 1)
        self.norm, self.attention = norm(channels), attention(channels)
        self.takes = dict(ModuleContract(self.norm).takes)

    def forward(self, x: Tensor, hours: Tensor | None = None) -> Translated:
        asked = {"hours": hours} if "hours" in self.takes else {}
        attended = self.attention(self.norm(self.first(x), **asked).relu())
        return Translated((x.mean(1, keepdim=True) + self.last(attended.features)).tanh(), attended.map, None)


class Rows(nn.Module):
    """Judges rows and columns. (N, C, H, W) in [-1, 1] -> two logits (N, 1, h, w). gankit's own."""

    min_size = 8

    def __init__(self, in_channels: int, *, channels: int = 16) -> None:
        super().__init__()
        self.heads = nn.ModuleList(
            nn.Sequential(nn.Conv2d(in_channels, channels, size), nn.LeakyReLU(0.2), nn.Conv2d(channels, 1, 1))
            for size in ((1, 7), (7, 1))
        )

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(head(x) for head in self.heads)


class Bands(FeatureNet):
    """What each halving of the picture loses. (N, 3, H, W) -> (N, 3, h, w) each. gankit's own."""

    layer_names = ("fine", "middle", "coarse")

    def __init__(self, layers: tuple[str, ...]) -> None:
        super().__init__()
        self.key, self.depth, self.weights = "bands", 3, "none"

    def forward(self, x: Tensor, layers: tuple[str, ...]) -> Features:
        bands: dict[str, Tensor] = {}
        for name in self.layer_names:
            half = F.avg_pool2d(x, 2)
            bands[name] = x - F.interpolate(half, x.shape[-2:])
            x = half
        return Features({name: bands[name] for name in layers})
