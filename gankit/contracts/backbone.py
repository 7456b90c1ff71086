"""What a backbone is."""

from __future__ import annotations

from collections.abc import Mapping

from gankit.contracts.declared import Contract, Declared, Interface

EXAMPLE = '''
import gankit
from gankit.features import FeatureNet, Features
from torch.nn import functional as F


@gankit.register("backbone", "pyramid")
class Pyramid(FeatureNet):
    """The picture, made smaller again and again. (N, 3, H, W) -> (N, 3, h, w) each. gankit's own example."""

    layer_names = ("half", "quarter", "eighth")

    def __init__(self, layers):
        super().__init__()
        self.key, self.depth, self.weights = "pyramid", 3, "none"

    def forward(self, x, layers):
        sides = {name: 2 ** (i + 1) for i, name in enumerate(self.layer_names)}
        return Features({name: F.avg_pool2d(x, sides[name]) for name in layers})
'''


class BackboneContract(Contract):
    """A frozen network that losses and metrics look through; it derives from `gankit.features.FeatureNet`.

    It is built only as deep as it is asked to be, and stays in evaluation mode. It sets `key`, equal for networks that
    differ in nothing but depth, and `depth`; `layer_names` lists what it can give, in order.
    """

    kind = "backbone"
    interface = Interface(
        made_with="`layers`, the names of the features that are wanted; empty: all",
        forward="`forward(x, layers)`: pictures (N, 3, H, W) in [-1, 1]",
        result="`gankit.features.Features`: name -> (N, C, h, w)",
        example=EXAMPLE,
    )

    network = Declared("", "under which name its weights are looked for; empty: they are no file of gankit's store")
    suggested: Declared[Mapping[str, tuple[str, ...]]] = Declared(
        {}, "the layers that a loss takes when it is told none, by what for: `content`, `style`"
    )
    default_layers: Declared[tuple[str, ...]] = Declared(
        (), "what a loss takes where nothing is suggested", shown="its `layer_names`"
    )
