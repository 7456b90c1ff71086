"""U-GAT-IT's critics, which attend."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Literal, NamedTuple

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from gankit.discriminators.sizes import check_input, smallest_side
from gankit.discriminators.spectral import SpectralConv2d, SpectralLinear
from gankit.precision import full
from gankit.slots import Ge, Le, MinLen

CAMWeight = Literal["raw", "normalized"]


class Critique(NamedTuple):
    """logits: (N, 1, h, w). cam_logits: (N, 2), of average and maximum. heatmap: (N, 1, h + 1, w + 1), of any sign. The
    latter two are None of a critic without CAM."""

    logits: Tensor
    cam_logits: Tensor | None = None
    heatmap: Tensor | None = None


class CAMCritic(nn.Module):
    """One critic with a class activation map: (N, in_channels, H, W) -> Critique. See UGATITDiscriminator."""

    def __init__(
        self, in_channels: int, channels: int, layers: int, cam_weight: CAMWeight, cam: bool, spectral: bool
    ) -> None:
        super().__init__()
        conv, linear = (SpectralConv2d, SpectralLinear) if spectral else (nn.Conv2d, nn.Linear)
        widths = [in_channels, *(channels * 2**i for i in range(layers - 1))]
        strides = [2] * (layers - 2) + [1]
        features = widths[-1]
        self.cam_weight, self.cam = cam_weight, cam
        self.convs = nn.ModuleList(conv(widths[i], widths[i + 1], 4, stride) for i, stride in enumerate(strides))
        if cam:
            self.average = linear(features, 1, bias=False)
            self.maximum = linear(features, 1, bias=False)
            self.merge = nn.Conv2d(2 * features, features, 1)
        self.head = conv(features, 1, 4, bias=False)

    def forward(self, x: Tensor) -> Critique:
        for conv in self.convs:
            x = F.leaky_relu(conv(reflected(x)), 0.2)
        if not self.cam:
            return Critique(self.head(reflected(x)))
        average, by_average = self.attend(x, x.mean((2, 3)), self.average)
        maximum, by_maximum = self.attend(x, F.adaptive_max_pool2d(x, 1).flatten(1), self.maximum)
        x = F.leaky_relu(self.merge(torch.cat([by_average, by_maximum], 1)), 0.2)
        return Critique(self.head(reflected(x)), torch.cat([average, maximum], 1), x.sum(1, keepdim=True))

    def attend(self, x: Tensor, pooled: Tensor, classifier: nn.Linear) -> tuple[Tensor, Tensor]:
        """The classifier's logit on the pooled features, and the features weighted by its weights."""
        normalized = classifier.normalized_weight() if isinstance(classifier, SpectralLinear) else classifier.weight
        weight = classifier.weight if self.cam_weight == "raw" else normalized
        return F.linear(pooled, normalized), x * weight.view(1, -1, 1, 1).to(x.dtype)


def reflected(x: Tensor) -> Tensor:
    return F.pad(x, (1, 1, 1, 1), mode="reflect")


class UGATITDiscriminator(nn.Module):
    """U-GAT-IT's critics (arXiv 1907.10830): for each entry of `layers` one with spectral norms and a CAM.

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> (logits, cam_logits, logits, cam_logits, ...), critic by
    critic: logits (N, 1, h, w) of the patches, cam_logits (N, 2) of the features pooled by average and by maximum.
    `critiques(x)` gives each critic's heatmap too, `heatmaps(x)` all of them, for pictures. Sides below `min_size` are
    refused with a ValueError.

    Args:
        channels: the width of the first convolution. Each further one doubles it.
        layers: the depth of each critic. The reference's global critic has 7, with channels up to 32 x, and the local
            one 5.
        cam_weight: the weight of the classifier that re-weights the features. `raw` is as in the authors' PyTorch code.
            `normalized`, by the spectral norm, is as in their TensorFlow code, from which the paper's figures are.
        cam: whether there are CAMs. False leaves them out, as the paper's ablation does, and only the logits of the
            patches remain.
        spectral: whether there are spectral norms. Under them logits start near 0 and grow slowly, so that the critics
            stay at chance for the first thousand steps and more.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        channels: Annotated[int, Ge(1)] = 64,
        layers: Annotated[tuple[Annotated[int, Ge(3), Le(15)], ...], MinLen(1)] = (7, 5),
        cam_weight: Literal["raw", "normalized"] = "raw",
        cam: bool = True,
        spectral: bool = True,
    ) -> None:
        super().__init__()
        self.in_channels, self.cam = in_channels, cam
        self.critics = nn.ModuleList(
            CAMCritic(in_channels, channels, depth, cam_weight, cam, spectral) for depth in layers
        )
        self.min_size = max(smallest_side([2] * (depth - 2) + [1, 1], padding=1) for depth in layers)

    def critiques(self, x: Tensor) -> tuple[Critique, ...]:
        """What each critic says of the pictures, its heatmap included."""
        check_input("ugatit discriminator", x, self.in_channels, self.min_size)
        return tuple(critic(x) for critic in self.critics)

    @property
    def heatmaps(self) -> Callable[[Tensor], Tensor] | None:
        """Where the critics look in pictures; None without CAM."""
        return self._heatmaps if self.cam else None

    def _heatmaps(self, x: Tensor) -> Tensor:
        """The critics' heatmaps, (N, len(layers), H, W) in [0, 1], float32: brought to the size of the pictures, each
        from its lowest value to its highest, as the authors' code draws maps."""
        given = [critique.heatmap for critique in self.critiques(x)]
        maps = torch.cat([_sized(heatmap, x) for heatmap in given if heatmap is not None], 1)
        low, high = maps.amin((2, 3), keepdim=True), maps.amax((2, 3), keepdim=True)
        return (maps - low) / (high - low).clamp_min(torch.finfo(maps.dtype).tiny)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        return tuple(logits for critique in self.critiques(x) for logits in critique[:2] if logits is not None)


def _sized(heatmap: Tensor, x: Tensor) -> Tensor:
    return F.interpolate(full(heatmap), x.shape[-2:], mode="bilinear", align_corners=False)
