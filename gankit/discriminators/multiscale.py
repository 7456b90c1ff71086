"""One critic per scale."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated

import torch.nn.functional as F
from torch import Tensor, nn

from gankit.contracts import DiscriminatorContract
from gankit.discriminators.patch import PatchDiscriminator
from gankit.slots import Discriminator, Ge, Le


class MultiscaleDiscriminator(nn.Module):
    """Critics of the picture, of its half, of its quarter ... (pix2pixHD, arXiv 1711.11585; MUNIT, arXiv 1804.04732).

    forward: pictures (N, in_channels, H, W) in [-1, 1] -> a tuple of logits, the finest scale first; the heads of a
    critic that has several follow one another. Sides below `min_size` are refused by the critic of the coarsest scale.

    Args:
        scales: the number of scales. Each is the 3 x 3 average, at stride 2, of the one before. Pixels outside of the
            picture do not count.
        discriminator: the critic of each scale. Each scale has its own weights.
    """

    def __init__(
        self,
        in_channels: int,
        *,
        scales: Annotated[int, Ge(1), Le(15)] = 3,
        discriminator: Discriminator = PatchDiscriminator,
    ) -> None:
        super().__init__()
        self.critics = nn.ModuleList(discriminator(in_channels) for _ in range(scales))
        smallest = [DiscriminatorContract(critic).min_size for critic in self.critics]
        # Halving rounds up: 2 * m - 1 is the smallest side that gives m.
        self.min_size = max((m - 1) * 2**i + 1 for i, m in enumerate(smallest))

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        logits: list[Tensor] = []
        for critic, scaled in zip(self.critics, self.pyramid(x), strict=True):
            judged = critic(scaled)
            logits += [judged] if isinstance(judged, Tensor) else list(judged)
        return tuple(logits)

    def features(self, x: Tensor) -> tuple[tuple[Tensor, ...], ...]:
        """The features of each critic, the finest scale first, where the critics offer them: for feature matching."""
        features: list[tuple[Tensor, ...]] = []
        for critic, scaled in zip(self.critics, self.pyramid(x), strict=True):
            features += critic.features(scaled)  # pyright: ignore[reportCallIssue]  # `offers_features` was asked
        return tuple(features)

    @property
    def offers_features(self) -> bool:
        return all(DiscriminatorContract(critic).gives_features for critic in self.critics)

    def pyramid(self, x: Tensor) -> Iterator[Tensor]:
        """The picture in each scale, the finest first."""
        for i in range(len(self.critics)):
            if i > 0:
                x = F.avg_pool2d(x, 3, stride=2, padding=1, count_include_pad=False)
            yield x
