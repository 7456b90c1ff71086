"""VGG-19 with a quarter of the channels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial
from typing import ClassVar

from torch import Tensor, nn

from gankit.backbones.chain import Chain, Steps, conv


class ReflectedConv(nn.Module):
    """A convolution 3 x 3 on pictures padded by reflection; as a `conv` in the chain, it keeps the size."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.pad = nn.ReflectionPad2d(1)
        self.conv = conv(inputs, outputs, 3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(self.pad(x))


def steps() -> tuple[Steps, dict[str, str]]:
    """The layers by name; and for the convolutions among them, what the file of weights calls them."""
    layers: list[tuple[str, Callable[[], nn.Module]]] = [("conv0", partial(conv, 3, 3, 1))]
    called, channels = {"0": "conv0"}, 3
    for block, (convs, width) in enumerate(zip((2, 2, 4, 4, 1), (16, 32, 64, 128, 128), strict=True), 1):
        for number in range(1, convs + 1):
            called[f"{len(layers)}.conv"] = f"conv{block}{number}"
            layers.append((f"conv{block}_{number}", partial(ReflectedConv, channels, width)))
            layers.append((f"relu{block}_{number}", nn.ReLU))
            channels = width
        if block < 5:
            layers.append((f"pool{block}", partial(nn.MaxPool2d, 2)))
    return layers, called


STEPS, CALLED = steps()


class DistilledVGG19(Chain):
    """VGG-19 up to relu5_1 with a quarter of the channels, distilled (arXiv 2003.08436): 3.7 MB instead of 548.

    forward: pictures (N, 3, H, W) in [-1, 1], layers -> Features, each (N, C, h, w) with C = 16, 32, 64, 128, 128 by
    blocks. Layers: conv0, conv1_1, relu1_1, ..., conv5_1, relu5_1, and pool1 to pool4. Its first layer does the
    normalization; convolutions pad by reflection, so that a picture needs 32 x 32 px for relu5_1.

    Args:
        layers: which layers are wanted; the network is built as deep as the deepest of them.
        weights: `pretrained` (the encoder e5), `random`, or a path: of the file, or of the folder of the encoders.
    """

    network: ClassVar[str] = "distilled_vgg19"
    suggested: ClassVar = {
        "content": ("relu4_1",),
        "style": ("relu1_1", "relu2_1", "relu3_1", "relu4_1", "relu5_1"),
    }

    def __init__(self, layers: Sequence[str], *, weights: str = "pretrained") -> None:
        super().__init__(layers, STEPS, weights, "none")

    def key_of(self, parameter: str) -> str:
        layer, _, what = parameter.removeprefix("features.").rpartition(".")
        return f"{CALLED[layer]}.{what}"
