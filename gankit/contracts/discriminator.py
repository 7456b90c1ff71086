"""What a discriminator is."""

from __future__ import annotations

from gankit.contracts.declared import Declared, Function, Interface, Size
from gankit.contracts.network import NetworkContract

EXAMPLE = '''
import gankit
from torch import Tensor, nn


@gankit.register("discriminator", "two_layers")
class TwoLayers(nn.Module):
    """Judges patches of 10 px. (N, C, H, W) in [-1, 1] -> logits (N, 1, h, w). gankit's own example."""

    min_size = 4

    def __init__(self, in_channels: int, *, channels: int = 16) -> None:
        super().__init__()
        self.first = nn.Conv2d(in_channels, channels, 4, stride=2, padding=1)
        self.head = nn.Conv2d(channels, 1, 4, stride=2, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.first(x).relu())
'''


class DiscriminatorContract(NetworkContract):
    """Judges pictures: higher logits for real ones, lower ones for fakes.

    `features(x)`, where it has one, gives one tuple of features (N, C, h, w) for each critic in it, layer by layer: for
    losses that match features.
    """

    kind = "discriminator"
    interface = Interface(
        made_with="`in_channels`, a whole number",
        forward="`forward(x)`: pictures (N, in_channels, H, W) in [-1, 1]; conditions by name, as in `takes`",
        result="logits (N, 1, h, w) or (N, K), without a sigmoid; or a tuple of such, one for each scale or head",
        example=EXAMPLE,
    )

    image_size: Declared[Size | None] = Declared(
        None, "the side of the pictures that it is made for, in pixels, where it takes others too"
    )
    mixes_batch = Declared(False, "it compares the pictures of a batch with each other, as by their deviation")
    offers_features = Declared(True, "whether its `features` can be called in this form")

    @property
    def gives_features(self) -> bool:
        """Whether `features` can be called."""
        return self.features is not None and self.offers_features

    heatmaps: Declared[Function | None] = Declared(
        None,
        "`heatmaps(x)` says where it looks: (N, K, H, W) in [0, 1], as large as the pictures, a map for each of its K "
        "critics; for sample grids",
    )
    set_norm: Declared[Function | None] = Declared(
        None, "`set_norm(enabled)` uses its norms or leaves them out: AGIT does so when its critics see masked pictures"
    )
