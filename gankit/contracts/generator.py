"""What a generator is."""

from __future__ import annotations

from gankit.contracts.declared import Declared, Function, Interface, Size
from gankit.contracts.network import NetworkContract

EXAMPLE = '''
import gankit
from torch import Tensor, nn


@gankit.register("generator", "two_convolutions")
class TwoConvolutions(nn.Module):
    """Two convolutions. (N, C, H, W) in [-1, 1] -> the same shape and range. gankit's own example."""

    size_multiple = 2

    def __init__(self, in_channels: int, out_channels: int, *, channels: int = 16) -> None:
        super().__init__()
        self.down = nn.Conv2d(in_channels, channels, 2, stride=2)
        self.up = nn.ConvTranspose2d(channels, out_channels, 2, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.down(x).relu()).tanh()
'''


class GeneratorContract(NetworkContract):
    """Makes a picture of a picture, or of noise.

    `features(x, layers)`, where it has one, gives the features of those of its `feature_names` that `layers` lists, in
    that order, for losses that look inside (CUT's).
    """

    kind = "generator"
    interface = Interface(
        made_with="`in_channels, out_channels`, whole numbers",
        forward="`forward(x)`: pictures (N, in_channels, H, W) in [-1, 1]; conditions by name, as in `takes`",
        result=(
            "the pictures (N, out_channels, H, W) in [-1, 1]; or, of one with an attention head, "
            "`gankit.slots.Translated(image, attention, logits)`"
        ),
        example=EXAMPLE,
    )

    size_multiple: Declared[Size] = Declared(1, "sides of pictures must be multiples of this, in pixels")
    offers: Declared[frozenset[str]] = Declared(
        frozenset(), "the fields of `Translated` that its forward fills besides the image: `attention`, `logits`"
    )
    feature_names: Declared[tuple[str, ...]] = Declared((), "names of the features that `features(x, layers)` gives")
    stages: Declared[Function | None] = Declared(
        None,
        "`stages()` lists functions whose composition is the forward, so that large pictures are computed in tiles and "
        "activations stage by stage; an empty list: it has none in this form",
    )
    takes_noise = Declared(False, "it makes pictures of noise (N, in_channels, 1, 1), and takes none")
    overshoots = Declared(False, "in training its pictures may leave [-1, 1]")
    factor: Declared[Size] = Declared(1, "how many times larger than its input the picture is")
    encode_content: Declared[Function | None] = Declared(
        None, "for the method `munit`: pictures -> content (N, C, h, w)"
    )
    encode_style: Declared[Function | None] = Declared(
        None, "for the method `munit`: pictures -> styles (N, style_channels)"
    )
    decode: Declared[Function | None] = Declared(None, "for the method `munit`: content, style -> pictures")
    style_channels: Declared[Size | None] = Declared(None, "for the method `munit`: the length of a style")
