"""One training step of each paper's recipe: every turn's forward, backward and update, the host's overhead included."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from benchmarks import reference, steps
from benchmarks.parity import same_weights
from gankit.core.errors import RecipeError
from gankit.training.step import Stepper

ON_GPU = torch.cuda.is_available()
BATCHES = (
    {"cyclegan": [1, 16], "ugatit-light": [1, 8], "agit": [1, 16]}
    if ON_GPU
    else {"cyclegan": [1], "ugatit-light": [1], "agit": [1]}
)
"""Of each recipe."""
WIDTH, SIDE = (None, 256) if ON_GPU else (16, 128)
"""Of networks, None being the recipe's own, and pictures."""


@pytest.mark.parametrize("variant", [*steps.OF["cuda" if ON_GPU else "cpu"], "bf16-checkpointed"])
@pytest.mark.parametrize(("recipe", "batch"), [(r, b) for r, batches in BATCHES.items() for b in batches])
def test_step(recipe: str, batch: int, variant: str, device: torch.device, smallest: bool, compare: Callable) -> None:
    """CycleGAN beside the same step written plainly, the others by themselves: `peers.py` has their reference."""
    compiled = steps.VARIANTS[variant].get("compile")
    if compiled and (smallest or (device.type == "cpu" and recipe != "cyclegan")):
        pytest.skip("compiling takes too long here")
    width, side = (4, 128) if smallest else (WIDTH, SIDE)
    try:
        stepper = steps.make(recipe, variant, width, device, batch)
    except (RecipeError, steps.Unfit) as e:
        pytest.skip(str(e))
    pictures = steps.make_batch(batch, side, device)
    plain = None
    if recipe == "cyclegan":
        plain = reference.CycleGANStep(width or 64, device)
        twins(stepper, plain)

    def agree() -> None:
        if plain is not None:
            tolerance = 1e-3 if steps.VARIANTS[variant].get("precision") == "fp32" else 0.1
            for _ in range(2):  # the second after an update
                ours, theirs = summed(stepper.step(pictures)), plain(**pictures)
                assert ours == pytest.approx(theirs, rel=tolerance)

    compare(
        lambda: stepper.step(pictures),
        None if plain is None else lambda: plain(**pictures),
        check=agree,
        work=steps.flops_of(recipe, width, batch, side),
        dtype=steps.dtype_of(variant),
        pairs=batch,
    )


def twins(stepper: Stepper, plain: reference.CycleGANStep) -> None:
    networks = stepper.method.networks
    for direction, maker, critic in zip(("a2b", "b2a"), plain.makers, plain.critics, strict=True):
        same_weights(networks[f"generator_{direction}"], maker)
        same_weights(networks[f"discriminator_{direction}"], critic)


def summed(losses: dict[str, float]) -> list[float]:
    """The generators' objective, and the critics'."""
    makers = [value for key, value in losses.items() if key.startswith("generator")]
    return [sum(makers), sum(losses.values()) - sum(makers)]
