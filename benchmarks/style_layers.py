"""Which layers hold the style: Gatys' method with the Gram matrices of one layer, of two, ... of five.

As in figure 3 of arXiv 1508.06576.

    python -m benchmarks.style_layers photo.jpg style.jpg --out style-layers.png

For every set of layers: how far the Gram matrices of each of the five layers are from the style's when the
optimisation ends, as a share of the photograph's own distance (1: no style at all); and how far its features of
relu4_1 are from the photograph's, as a share of the style picture's own distance. The strip shows the style, the
photograph and the results, in this order. Needs the weights of `distilled_vgg19`.
"""

from __future__ import annotations

import argparse
import tempfile
from pathlib import Path

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.utils import save_image

import gankit
from gankit.backbones.distilled_vgg19 import DistilledVGG19
from gankit.losses.gram_style import GramStyle
from gankit.losses.perceptual import Perceptual
from gankit.methods.gatys import Gatys

LAYERS = tuple(f"relu{block}_1" for block in range(1, 6))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("photo", type=Path)
    parser.add_argument("style", type=Path)
    parser.add_argument("--out", type=Path, default=Path("style-layers.png"))
    parser.add_argument("--size", type=int, default=192, help="the longer side of the photograph")
    parser.add_argument("--iterations", type=int, default=100, help="of L-BFGS")
    options = parser.parse_args()
    gatys = Gatys(str(options.photo), str(options.style), options.size)
    photo, style = gatys.target(), gatys.style()
    shown = [F.interpolate(style, photo.shape[2:], mode="bilinear", antialias=True), photo]
    print("| layers | " + " | ".join(f"style at {layer}" for layer in LAYERS) + " | content |")
    print("|---|" + "---|" * (len(LAYERS) + 1))
    for count in range(1, len(LAYERS) + 1):
        result = transferred(options, LAYERS[:count])
        apart = [distance(result, style, layer) / distance(photo, style, layer) for layer in LAYERS]
        changed = content_distance(result, photo) / content_distance(shown[0], photo)
        named = LAYERS[0] if count == 1 else f"{LAYERS[0]} to {LAYERS[count - 1]}"
        print(f"| {named} | " + " | ".join(f"{share:.3f}" for share in apart) + f" | {changed:.2f} |", flush=True)
        shown.append(result)
    save_image(torch.cat(shown) / 2 + 0.5, options.out, nrow=len(shown))


def transferred(options: argparse.Namespace, layers: tuple[str, ...]) -> Tensor:
    """The photograph after the iterations towards the style of these layers; (1, 3, H, W) in [-1, 1]."""
    backbone = "backbone: distilled_vgg19"
    sets = [
        *(f"method.{name}={getattr(options, other)}" for name, other in {"content": "photo", "style": "style"}.items()),
        f"method.size={options.size}",
        f"losses.content={{type: perceptual, layers: [relu4_1], {backbone}}}",
        f"losses.style={{type: gram_style, layers: [{', '.join(layers)}], {backbone}, weight: 100}}",
        f"train.steps={options.iterations // 20}",
    ]
    with tempfile.TemporaryDirectory() as folder:
        return gankit.train("gatys", Path(folder) / "run", sets=sets).method.translate()


def distance(one: Tensor, other: Tensor, layer: str) -> float:
    """Of the Gram matrices at a layer."""
    return float(GramStyle(DistilledVGG19, [layer])(one, other))


def content_distance(one: Tensor, other: Tensor) -> float:
    return float(Perceptual(DistilledVGG19, ["relu4_1"])(one, other))


if __name__ == "__main__":
    main()
