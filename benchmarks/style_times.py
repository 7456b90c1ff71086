"""A network against optimising the pixels: how long each takes to the same objective (arXiv 1603.08155, section 4.1).

    python -m benchmarks.style_times runs/style photo.jpg other.jpg --size 256

RUN: a run of the recipe `style`. For every picture the objective of the run's own losses is worked out for the
network's result; then Gatys' method starts from the picture and goes on by L-BFGS until it is as low, and, from the
picture again, for the paper's 500 iterations. The times are of one forward of the network (the fastest of five) and of
those iterations, on one device, one after the other. `--out` shows the picture and the three results.
"""

from __future__ import annotations

import argparse
import copy
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from time import perf_counter

import torch
from torch import Tensor
from torchvision.utils import save_image

import gankit
from gankit.core.recipe import Recipe
from gankit.methods.gatys import Gatys
from gankit.optimizers import LBFGS
from gankit.training.assemble import Assembled, assemble
from gankit.training.step import Stepper

ITERATIONS = 2
"""Of L-BFGS between two looks at the objective."""
MOST = 400
PAPER = 500
"""The paper's iterations of L-BFGS."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("run", type=Path)
    parser.add_argument("pictures", type=Path, nargs="+")
    parser.add_argument("--size", type=int, default=256, help="the longer side of the pictures")
    parser.add_argument("--iterations", type=int, default=PAPER, help="of L-BFGS, whatever it reaches")
    parser.add_argument("--out", type=Path, help="a PNG file of pictures of one size")
    options = parser.parse_args()
    model = gankit.load(options.run)
    print(
        f"{torch.backends.cpu.get_cpu_capability()}, {torch.get_num_threads()} threads, longer side {options.size} px"
    )
    ratios, shown = [], []
    for path in options.pictures:
        gatys = optimisation(model.recipe, path, options.size)
        pixels = gatys.method.network("picture", "a2b").get_parameter("pixels")
        start = pixels.detach().clone()
        seconds = fastest(lambda picture=start: model.method.translate(picture))
        made = model.method.translate(start)
        before, target = (objective(gatys, picture) for picture in (start, made))
        taken, iterations, reached = descend(gatys, start, target, MOST)
        as_low = gatys.method.translate().clone()
        ratios.append(taken / seconds)
        print(
            f"{path.name}: objective {before:.1f} of the picture, {target:.1f} of the network after {seconds:.3f} s, "
            f"{reached:.1f} by L-BFGS after {taken:.1f} s and {iterations} iterations: {ratios[-1]:.0f} times as long",
            flush=True,
        )
        taken, iterations, reached = descend(gatys, start, 0, options.iterations)
        print(
            f"    {iterations} iterations: {reached:.1f}, {taken:.1f} s, {taken / seconds:.0f} times as long",
            flush=True,
        )
        shown += [start, made, as_low, gatys.method.translate()]
    if options.out:
        save_image(torch.cat(shown).clamp(-1, 1) / 2 + 0.5, options.out, nrow=4)
    print(f"median {median(ratios):.0f} times as long ({min(ratios):.0f} to {max(ratios):.0f})")


def optimisation(recipe: Recipe, picture: Path, size: int) -> Assembled:
    """Gatys' method with the losses of a style run, on one picture."""
    filled = copy.deepcopy(recipe.filled())
    for loss in filled["losses"].values():
        loss["on"] = {name: {"source": "target"}.get(tensor, tensor) for name, tensor in (loss.get("on") or {}).items()}
    style = {key: filled["method"][key] for key in ("style", "style_size")}
    method = {"type": "gatys", "content": str(picture), "size": size, **style}
    return assemble({**filled, "method": method, "data": {"type": "none"}})


def stepper_of(parts: Assembled, picture: Tensor, iterations: int) -> Stepper:
    assert isinstance(parts.method, Gatys)
    with torch.no_grad():
        parts.method.network("picture", "a2b").get_parameter("pixels").copy_(picture)
    return Stepper(
        parts.method, parts.terms, partial(LBFGS, lr=1.0, max_iter=iterations, history_size=100), pool_size=0
    )


def objective(parts: Assembled, picture: Tensor) -> float:
    """The weighted sum of the losses, of a picture as it is."""
    return sum(stepper_of(parts, picture, 1).step({}).values())


def descend(parts: Assembled, picture: Tensor, target: float, most: int) -> tuple[float, int, float]:
    """Seconds, iterations, and the objective that was reached: that of the last look. It ends at the target or after
    the most iterations."""
    stepper = stepper_of(parts, picture, ITERATIONS)
    begun, iterations = perf_counter(), 0
    while (reached := sum(stepper.step({}).values())) > target and iterations < most:
        iterations += ITERATIONS
    return perf_counter() - begun, iterations, reached


def fastest(call: Callable[[], object], times: int = 5) -> float:
    taken = []
    for _ in range(times):
        begun = perf_counter()
        call()
        taken.append(perf_counter() - begun)
    return min(taken)


if __name__ == "__main__":
    main()
