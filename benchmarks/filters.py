"""What filters without any learning reach on the drawn task `noise`, for docs/experiments.md.

    python -m benchmarks.filters --seed 20

Prints the error of a Gaussian blur and of a median filter on the noisy objects, over that of returning the input, as
`translation_error` does, on the test split. Each filter has the size that is best on these very pictures, and is told
where the noise is: what is learned has to find out.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable
from functools import partial

import torch
from torch import Tensor
from torch.nn import functional as F
from torchvision.transforms.functional import gaussian_blur

from gankit.data.shapes import Shapes
from gankit.evaluation.object_metrics import TranslationError

SIGMAS = (0.4, 0.5, 0.6, 0.7, 0.8, 1.0, 1.5, 2.0)
SIDES = (3, 5, 7)


def median(picture: Tensor, side: int) -> Tensor:
    """(N, C, H, W) -> the median of the side x side pixels about each, channel by channel."""
    padded = F.pad(picture, [side // 2] * 4, mode="reflect")
    return padded.unfold(2, side, 1).unfold(3, side, 1).flatten(-2).median(-1).values


def blurred(picture: Tensor, sigma: float) -> Tensor:
    return gaussian_blur(picture, [9, 9], [sigma, sigma])


def error(pictures: list[dict[str, Tensor]], filtered: Callable[[Tensor], Tensor]) -> float:
    """The mean distance from the truth on the objects, over that of the input."""
    metric, statistics = TranslationError(), []
    for item in pictures:
        source, truth, inside = (item[name][None] for name in ("a", "truth_a2b", "mask_a"))
        statistics.append(metric.statistics(filtered(source), source, truth, inside))
    return float(metric.summarise(torch.cat(statistics)))


def best(pictures: list[dict[str, Tensor]]) -> dict[str, tuple[float, float]]:
    """Filter -> the size at which its error is least, and that error."""
    found = {}
    for name, filtered, key, sizes in (("Gaussian blur", blurred, "sigma", SIGMAS), ("median", median, "side", SIDES)):
        errors = {size: error(pictures, partial(filtered, **{key: size})) for size in sizes}
        size = min(errors, key=errors.__getitem__)
        found[name] = size, errors[size]
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--seed", type=int, default=20)
    parser.add_argument("--size", type=int, default=64)
    options = parser.parse_args()
    shapes = Shapes(task="noise", size=options.size, seed=options.seed).split("test")
    for name, (size, found) in best([shapes.item(i) for i in range(len(shapes))]).items():
        print(f"{name} of {size:g} pixels: {found:.3f}")


if __name__ == "__main__":
    main()
