"""A norm, a generator and a critic that want more than a picture, as a plugin would write them."""

from __future__ import annotations

from torch import Tensor, nn

from gankit.conditions import at_size
from gankit.discriminators.patch import PatchDiscriminator
from gankit.fields import Label, Segmentation, Vector
from gankit.norms.instance import InstanceNorm


class MapNorm(nn.Module):
    """An instance norm with scale and offset from a map, pixel by pixel. (N, C, H, W) -> the same. gankit's own."""

    def __init__(self, channels: int, *, classes: int = 4) -> None:
        super().__init__()
        self.takes = {"segmentation": Segmentation(classes)}
        self.norm = InstanceNorm(channels)
        self.gamma = nn.Conv2d(classes, channels, 3, padding=1)
        self.beta = nn.Conv2d(classes, channels, 3, padding=1)

    def forward(self, x: Tensor, segmentation: Tensor) -> Tensor:
        here = at_size(segmentation, x)
        return self.norm(x) * (1 + self.gamma(here)) + self.beta(here)


class PoseNorm(nn.Module):
    """Asks for a name, and does not say what it is."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.channels = channels

    def forward(self, x: Tensor, pose: Tensor) -> Tensor:
        return x + pose.mean()


class Painter(nn.Module):
    """A generator with a label and a vector; without either the picture is the source's."""

    size_multiple, min_size = 1, 1
    offers = frozenset()

    def __init__(self, in_channels: int, out_channels: int, *, classes: int = 5, size: int = 2) -> None:
        super().__init__()
        self.takes = {"label": Label(classes), "pose": Vector(size)}
        self.colour, self.shift = nn.Embedding(classes, out_channels), nn.Linear(size, out_channels)
        self.conv = nn.Conv2d(in_channels, out_channels, 3, padding=1)

    def forward(self, x: Tensor, label: Tensor, pose: Tensor) -> Tensor:
        shift = self.colour(label) + self.shift(pose)
        return (self.conv(x) + shift[:, :, None, None]).tanh()


class LabelCritic(PatchDiscriminator):
    """A critic that is told the label. (N, C, H, W), (N,) -> logits (N, 1, h, w). gankit's own."""

    def __init__(self, in_channels: int, *, classes: int = 5) -> None:
        super().__init__(in_channels, channels=4, layers=1)
        self.takes = {"label": Label(classes)}
        self.shift = nn.Embedding(classes, in_channels)

    def forward(self, x: Tensor, label: Tensor) -> Tensor:  # type: ignore[override]
        return super().forward(x + self.shift(label)[:, :, None, None])
