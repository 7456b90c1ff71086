"""What an attention head is."""

from __future__ import annotations

from gankit.contracts.declared import Declared, Interface, Size
from gankit.contracts.module import ModuleContract

EXAMPLE = '''
import gankit
from gankit.slots import Attended
from torch import Tensor, nn


@gankit.register("attention", "one_convolution")
class OneConvolution(nn.Module):
    """A map by one convolution. (N, C, H, W) -> Attended. gankit's own example."""

    has_map = True

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.score = nn.Conv2d(channels, 1, 3, padding=1)

    def forward(self, x: Tensor) -> Attended:
        map = self.score(x).sigmoid()
        return Attended(x * map, map)
'''


class AttentionContract(ModuleContract):
    """Says where to look: a network for pictures, or a head inside of another network, on its features."""

    kind = "attention"
    interface = Interface(
        made_with="`channels`, a whole number",
        forward="`forward(x)`: (N, channels, H, W); conditions by name, as in `takes`",
        result=(
            "`gankit.slots.Attended(features, map, logits)`: features of x's shape; a map (N, 1, H, W) in [0, 1] or "
            "None; logits (N, K) or None"
        ),
        example=EXAMPLE,
    )

    has_map = Declared(False, "whether it gives a map")
    has_logits = Declared(False, "whether it gives logits")
    map_of_whole = Declared(
        False, "the map of a place depends on the whole picture, so that there is none where pictures come in tiles"
    )
    min_size: Declared[Size] = Declared(1, "the smallest side of x that it takes, in pixels")
